import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { freePort } from "@busbar/core/testkit";
import { systemClock } from "@busbar/core";
import mqttJs, { type IClientOptions, type MqttClient } from "mqtt";

const path = ["mosquitto", "/usr/sbin/mosquitto"].find((one) => spawnSync(one, ["-h"]).error === undefined);

/** Why tests with Mosquitto are skipped; undefined when it is there. */
export const noMosquitto: string | undefined = path === undefined ? "mosquitto is not installed" : undefined;

/** A Mosquitto of its own on 127.0.0.1, with files in a temporary folder. */
export class Mosquitto implements AsyncDisposable {
  readonly port: number;
  readonly #folder: string;
  readonly #clients: MqttClient[] = [];
  #process: ChildProcess | undefined;

  private constructor(port: number, config: readonly string[]) {
    this.port = port;
    this.#folder = mkdtempSync(join(tmpdir(), "busbar-mosquitto-"));
    writeFileSync(join(this.#folder, "mosquitto.conf"), [`user ${userInfo().username}`, `listener ${port} 127.0.0.1`, "allow_anonymous true", "persistence true", `persistence_location ${this.#folder}/`, ...config.map((line) => line.replaceAll("$folder", this.#folder))].join("\n") + "\n");
  }

  /** `config`: further lines, in which `$folder` is its folder; `files`: what is in there. */
  static async start(config: readonly string[] = [], files: Readonly<Record<string, string>> = {}): Promise<Mosquitto> {
    const mosquitto = new Mosquitto(await freePort(), config);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(mosquitto.#folder, name), text);
    await mosquitto.up();
    return mosquitto;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`;
  }

  async up(): Promise<void> {
    this.#process = spawn(path!, ["-c", join(this.#folder, "mosquitto.conf")], { stdio: "ignore" });
    for (let tries = 0; !(await reachable(this.port)); tries++) {
      if (tries > 400) throw new Error("mosquitto does not come up");
      await systemClock.sleep(25);
    }
  }

  async down(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    const process = this.#process;
    this.#process = undefined;
    if (!process) return;
    const exit = once(process, "exit");
    process.kill(signal);
    await exit;
  }

  /** A client of another make (MQTT.js). */
  async client(options: IClientOptions = {}): Promise<MqttClient> {
    const client = await mqttJs.connectAsync(this.url, { protocolVersion: 5, reconnectPeriod: 50, ...options });
    this.#clients.push(client);
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.endAsync(true)));
    await this.down("SIGKILL");
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function reachable(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => (socket.destroy(), resolve(true)));
    socket.once("error", () => resolve(false));
  });
}
