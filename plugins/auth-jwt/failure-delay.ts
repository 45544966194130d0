import { isIPv6 } from "node:net";
import type { Clock } from "@busbar/core";
import { BoundedMap } from "./bounded-map.ts";
import { Refusal } from "./refusal.ts";

/** Attempts that cost no pause, then the first pause and the longest one, and how long a failure is remembered, in ms. */
const free = 3;
const firstPause = 500;
const longestPause = 30_000;
const memory = 15 * 60_000;
/** Pairs of address and id that are remembered. Evicting one takes as many other checks, each some 40 ms. */
const remembered = 10_000;

/** Slows down whoever guesses a device's secret: from one address at one id, pauses that double after the third failure. */
export interface FailureDelay {
  /** @throws {Refusal} "throttled" while the pause of this address and id is not over. */
  check(remote: string, id: string): void;
  /** An attempt begins: it counts as failed until `succeeded`, so that guesses sent at once do not all slip through. */
  began(remote: string, id: string): void;
  /** The attempt was right: all is forgotten. */
  succeeded(remote: string, id: string): void;
}

/** Makes the table of recent failures. */
export function createFailureDelay(clock: Clock): FailureDelay {
  const failures = new BoundedMap<{ readonly count: number; readonly last: number; readonly until: number }>(remembered);
  const key = (remote: string, id: string): string => `${addressOf(remote)} ${id}`;
  return {
    check(remote, id) {
      const entry = failures.get(key(remote, id));
      const wait = entry === undefined ? 0 : entry.until - clock.now();
      if (wait > 0) throw new Refusal("throttled", `${entry!.count} attempts failed, the next one may come in ${wait} ms`);
    },
    began(remote, id) {
      const now = clock.now();
      const before = failures.get(key(remote, id));
      const count = before === undefined || now - before.last > memory ? 1 : before.count + 1;
      const pause = count < free ? 0 : Math.min(longestPause, firstPause * 2 ** Math.min(20, count - free));
      failures.set(key(remote, id), { count, last: now, until: now + pause });
    },
    succeeded(remote, id) {
      failures.delete(key(remote, id));
    },
  };
}

/** The address without the port; of IPv6 the first 64 bits, since one machine may use all addresses of its network. */
function addressOf(remote: string): string {
  const [, ipv4] = /((?:\d{1,3}\.){3}\d{1,3})(?::\d+)?$/.exec(remote) ?? []; // also of `::ffff:192.0.2.1`
  if (ipv4 !== undefined) return ipv4;
  const address = (/^\[([^\]]+)\](?::\d+)?$/.exec(remote)?.[1] ?? remote).split("%", 1)[0]!;
  if (!isIPv6(address)) return remote;
  const [head = "", tail] = address.split("::");
  const first = head === "" ? [] : head.split(":");
  if (tail !== undefined) {
    const last = tail === "" ? [] : tail.split(":");
    first.push(...Array<string>(Math.max(0, 8 - first.length - last.length)).fill("0"), ...last);
  }
  return first.slice(0, 4).map((part) => Number.parseInt(part, 16).toString(16)).join(":");
}
