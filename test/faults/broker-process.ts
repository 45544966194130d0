import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readSync } from "node:fs";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Runtime } from "./scenario.ts";
import type { Found, Verdict } from "./verdict.ts";

/** How the broker behaves: `ok`; `mute`: it takes connections and publishes and never acknowledges, nor keeps, any; `cut-<ms>`: it breaks each connection after so long. */
export type BrokerMode = "ok" | "mute" | `cut-${number}`;

/** An MQTT broker in a process of its own that is killed and started again; see broker-program.ts. What it has written is read on as it grows. */
export class BrokerProcess implements AsyncDisposable {
  readonly #runtime: Runtime;
  readonly #file: string;
  readonly #verdict: Verdict;
  #child: ChildProcess | undefined;
  #port = 0;
  #read = 0;
  #rest = "";

  private constructor(options: { readonly runtime: Runtime; readonly file: string; readonly verdict: Verdict }) {
    this.#runtime = options.runtime;
    this.#file = options.file;
    this.#verdict = options.verdict;
  }

  /** Starts one on a free port, which stays the same. What it takes goes into `file` and from there to the verdict. */
  static async start(options: { readonly runtime: Runtime; readonly file: string; readonly verdict: Verdict }): Promise<BrokerProcess> {
    const broker = new BrokerProcess(options);
    await broker.start("ok");
    return broker;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.#port}`;
  }

  /** Starts it when it does not run. */
  async start(mode: BrokerMode): Promise<void> {
    if (this.#child !== undefined) return;
    const [first, ...rest] = this.#runtime.command(fileURLToPath(new URL("./broker-program.ts", import.meta.url)));
    const child = spawn(first!, [...rest, String(this.#port), this.#file, mode], { stdio: ["ignore", "pipe", "inherit"] });
    this.#child = child;
    for await (const line of createInterface({ input: child.stdout! })) {
      this.#port = (JSON.parse(line) as AddressInfo).port;
      return;
    }
    throw new Error("the broker did not start");
  }

  /** SIGKILL: resolves when it is gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined) return;
    const gone = child.exitCode === null && child.signalCode === null ? once(child, "exit") : undefined;
    if (gone) process.kill(child.pid!, "SIGKILL");
    await gone;
  }

  /** Hands what it has written since the last time to the verdict. */
  collect(): void {
    const descriptor = openSync(this.#file, "r");
    try {
      const chunk = Buffer.alloc(1 << 20);
      for (let size = readSync(descriptor, chunk, 0, chunk.length, this.#read); size > 0; size = readSync(descriptor, chunk, 0, chunk.length, this.#read)) {
        this.#read += size;
        const lines = (this.#rest + chunk.toString("latin1", 0, size)).split("\n");
        this.#rest = lines.pop()!;
        for (const line of lines) this.#take(line);
      }
    } finally {
      closeSync(descriptor);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  #take(line: string): void {
    const message = JSON.parse(line) as Found & { readonly late?: boolean; readonly type: string };
    this.#verdict.take({ ...message, lane: message.type === "event" ? "alarm" : message.late ? "late" : "live" });
  }
}
