import * as v from "valibot";
import type { Audit } from "./audit.ts";
import type { Clock } from "./clock.ts";
import { BusbarError } from "./errors.ts";
import { field } from "./listener/listener-config.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import { overlaps } from "./topic.ts";

/** The field `allowWrites` of every plugin at the other end of whose connection machines can be moved. `what`: what is refused without it, such as "commands, and writes over OPC UA and Modbus, are obeyed". */
export function writesField(what: string) {
  return field(v.boolean(), false, `Whether ${what}. Default false: nothing at the other end is moved from here.`);
}

/** Whether one of the patterns names commands, so that whoever wrote it wants them; `#` or `+/lamp` only happen to match them. */
export function namesCommands(patterns: readonly string[]): boolean {
  return patterns.some((pattern) => pattern.split("/", 1)[0] === "command");
}

/** Whether a command can match one of the patterns. */
export function mayMatchCommands(patterns: readonly string[]): boolean {
  return patterns.some((pattern) => overlaps(pattern, "command/#"));
}

/** What is wrong with a config that names commands and does not allow writes. */
export const commandsNeedWrites = "names commands, which move machines at the other end: say allowWrites: true, or leave them out";

/** What somebody wants to write. */
export interface WriteAttempt {
  /** What it would move: an id, or a node, register or topic at the other end. */
  readonly target: string;
  /** Who wants it, where that is known. */
  readonly id?: string | undefined;
  readonly remote?: string | undefined;
  readonly topic?: string | undefined;
  readonly msgid?: string | undefined;
}

/** What stands before every write to a device. */
export interface WriteGuard {
  /** What the connection's config says. */
  readonly allowed: boolean;
  /** Whether that may be written. Where not, the refusal is counted, logged and in the audit log. */
  permits(attempt: WriteAttempt): boolean;
  /** The same for those who tell somebody. @throws {BusbarError} FORBIDDEN naming the setting. */
  check(attempt: WriteAttempt): void;
}

/** What a guard is made of: a plugin's context has it. */
export interface WriteGuardContext {
  /** The instance whose connection it is. */
  readonly id: string;
  readonly config: { readonly allowWrites: boolean };
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly needs: { readonly audit: Audit };
}

/** Milliseconds between two lines of the log about refused writes. */
const logPause = 1000;

/** Makes the guard of one connection. */
export function createWriteGuard({ id: instance, config, clock, log, metrics, needs }: WriteGuardContext): WriteGuard {
  const refused = metrics.counter("busbar_writes_refused_total", "Commands and writes to devices that were refused, as allowWrites is off", { instance });
  let told = Number.NEGATIVE_INFINITY;
  let untold = 0;
  const permits = (attempt: WriteAttempt): boolean => {
    if (config.allowWrites) return true;
    refused.value++;
    needs.audit.write("write-refused", { ...attempt, instance, reason: "allowWrites is false" });
    untold++;
    if (clock.now() - told >= logPause) {
      log.warn("write refused: allowWrites is false", { ...attempt, count: untold });
      told = clock.now();
      untold = 0;
    }
    return false;
  };
  return {
    allowed: config.allowWrites,
    permits,
    check(attempt) {
      if (!permits(attempt)) throw new BusbarError("FORBIDDEN", `Cannot write to ${JSON.stringify(attempt.target.slice(0, 256))}: plugins.${instance}.allowWrites is false`);
    },
  };
}
