import assert from "node:assert/strict";
import { readdir, readFile, readlink } from "node:fs/promises";
import process from "node:process";
import { assertLedgerBalances, until } from "@busbar/core/testkit";
import type { AttackTarget } from "./attack-target.ts";
import { Bystanders } from "./bystanders.ts";

/** Bytes by which a gateway's memory may be larger after an attack than it was before all of them: a heap of garbage not collected yet, where bombs and what leaks are far larger. */
const growth = 400 * 1024 * 1024;

/** A gauge of the metrics, summed over its labels. */
const gauges = ["busbar_sessions", "busbar_subscriptions", "busbar_tcp_connections", "busbar_websocket_connections", "busbar_websocket_waiting"] as const;

/** What a gateway holds: what it must hold again after an attack. */
interface Holdings {
  readonly gauges: readonly number[];
  /** Open sockets; undefined where the system does not tell. */
  readonly sockets: number | undefined;
  /** Bytes of memory. */
  readonly memory: number | undefined;
}

/** Knows how a gateway was before it was attacked. */
export class Watch {
  readonly #target: AttackTarget;
  readonly #bystanders: Bystanders;
  readonly #before: Holdings;

  private constructor(target: AttackTarget, bystanders: Bystanders, before: Holdings) {
    this.#target = target;
    this.#bystanders = bystanders;
    this.#before = before;
  }

  static async begin(target: AttackTarget): Promise<Watch> {
    const bystanders = await Bystanders.connect(target);
    await bystanders.talk();
    target.forgetClients("keep");
    return new Watch(target, bystanders, holdingsOf(await target.metrics(), await socketsOf(target), await memoryOf(target)));
  }

  /**
   * The gateway lives and is ready, carries the bystanders' message, has let go of every session, subscription, socket and most of the memory that the attack cost, its ledger balances, and what it printed are lines of
   * a log without an error and without a secret. @throws {Error} saying what is not so.
   */
  async assertUnharmed(): Promise<void> {
    const { output, process: gateway } = this.#target;
    assert.equal((await this.#target.http({ path: "/healthz" })).status, 200, "it lives");
    assert.equal((await this.#target.http({ path: "/readyz" })).status, 200, "it is ready");
    await this.#bystanders.talk();
    let text = "";
    const held: { now?: Holdings } = {};
    await until("sessions, subscriptions, sockets, memory and waiting messages are as they were before", async () => {
      text = await this.#target.metrics();
      held.now = holdingsOf(text, await socketsOf(this.#target), await memoryOf(this.#target));
      return !exceeds(held.now, this.#before) && /^busbar_messages_waiting 0$/m.test(text);
    }, { show: () => ({ before: this.#before, now: held.now }) });
    assertLedgerBalances(text);
    assert.deepEqual(output.problems(), [], "what it printed");
    assert.deepEqual(this.#target.secrets.foundIn(text), [], "secrets in the metrics");
    assert.deepEqual(gateway.errors, [], "errors");
  }
}

function holdingsOf(metrics: string, sockets: number | undefined, memory: number | undefined): Holdings {
  return { gauges: gauges.map((name) => sumOf(metrics, name)), sockets, memory };
}

/** The value of a series in the text of /metrics, summed over its labels; `labels` is a part of them, such as `reason="expired"`. */
export function sumOf(metrics: string, name: string, labels = ""): number {
  let sum = 0;
  for (const [, its = "", value] of metrics.matchAll(new RegExp(`^${name}(\\{.*\\})? (\\S+)$`, "gm"))) if (its.includes(labels)) sum += Number(value);
  return sum;
}

function exceeds(now: Holdings, before: Holdings): boolean {
  return now.gauges.some((value, at) => value !== before.gauges[at]) || (now.sockets ?? 0) > (before.sockets ?? 0) || (now.memory ?? 0) > (before.memory ?? 0) + growth;
}

async function socketsOf({ process: { pid } }: AttackTarget): Promise<number | undefined> {
  if (process.platform !== "linux") return undefined;
  const folder = `/proc/${pid}/fd`;
  const links = await Promise.all((await readdir(folder)).map((name) => readlink(`${folder}/${name}`).catch(() => "")));
  return links.filter((link) => link.startsWith("socket:")).length;
}

async function memoryOf({ process: { pid } }: AttackTarget): Promise<number | undefined> {
  if (process.platform !== "linux") return undefined;
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kib) * 1024;
}
