import { setTimeout as sleep } from "node:timers/promises";
import type { Urls } from "./gateway-process.ts";
import { openHttpLink, openTcpLink, openWsLink } from "./links.ts";
import type { Random } from "./random.ts";
import type { Rig } from "./rig.ts";
import { Source } from "./source.ts";
import { Witness } from "./witness.ts";

/** Milliseconds between two helpings of load. */
const tick = 4;

/** What every source sends is on this pattern, whatever its type. */
export const loadTopics = "+/load/#";

/** Makes a source for each transport and qos, the qos 0 one to be in the way of the others. */
export async function createSources(rig: Rig): Promise<readonly Source[]> {
  const kinds = [
    { name: "tcp-1", type: "status", qos: 1, open: openTcpLink },
    { name: "tcp-2", type: "log", qos: 2, open: openTcpLink },
    { name: "ws-1", type: "event", qos: 1, open: openWsLink },
    { name: "ws-2", type: "status", qos: 2, open: openWsLink },
    { name: "http-1", type: "log", qos: 1, open: openHttpLink },
    { name: "tcp-0", type: "status", qos: 0, open: openTcpLink },
  ] as const;
  return await Promise.all(kinds.map(async ({ name, ...kind }) => new Source({ ...kind, id: `load/${name}`, token: await rig.tokenFor(`load/${name}`) })));
}

/** Makes two subscribers that resume: one at qos 0 in JSON, one at qos 1 in protobuf. */
export async function createWitnesses(rig: Rig): Promise<readonly Witness[]> {
  return [
    new Witness({ id: "witness-ws", token: await rig.tokenFor("witness-ws"), open: openWsLink, qos: 0, topic: loadTopics }),
    new Witness({ id: "witness-tcp", token: await rig.tokenFor("witness-tcp"), open: openTcpLink, qos: 1, topic: loadTopics }),
  ];
}

/** Lets sources send, each a random helping every 4 ms (at most about 1,500 a second each), until told to stop. */
export function startLoad(sources: readonly Source[], random: Random): { stop(): void } {
  const timer = setInterval(() => {
    for (const source of sources) source.load(random.between(0, 12));
  }, tick);
  return { stop: () => clearInterval(timer) };
}

/** Lets sources send as fast as they are acknowledged until there are so many messages. */
export async function preload(sources: readonly Source[], count: number): Promise<void> {
  const sent = (): number => sources.reduce((total, source) => total + source.sent, 0);
  await until(() => (sources.forEach((source) => source.load(20)), sent() >= count), { what: () => `${count} messages are sent (${sent()} are)` });
}

/** Resolves once it holds, looked at every few milliseconds. @throws {Error} saying what did not come about in that many milliseconds. */
export async function until(holds: () => boolean, { what, within = 60_000 }: { readonly what: () => string; readonly within?: number }): Promise<void> {
  const end = performance.now() + within;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`not so within ${within / 1000} s: ${what()}`);
    await sleep(5);
  }
}

/** Resolves when every message of the sources is acknowledged. */
export async function drained(sources: readonly Source[]): Promise<void> {
  await until(() => sources.every(({ waiting }) => waiting === 0), { what: () => `everything is acknowledged (${sources.map(({ id, waiting }) => `${id}: ${waiting} open`).join(", ")})` });
}

/** Resolves when a witness has seen all that the sources have sent. */
export async function witnessed(witness: Witness, sources: readonly Source[]): Promise<void> {
  const durable = sources.filter(({ qos }) => qos > 0);
  await until(() => durable.every(({ id, sent }) => witness.seen(id) >= sent), { what: () => `${witness.id} has seen everything (${durable.map(({ id, sent }) => `${id}: ${witness.seen(id)} of ${sent}`).join(", ")})` });
}

/** Checks that the retained value of each source's topic is at least as new as what was acknowledged. Gives a sentence for each that is not. */
export async function checkRetained(urls: Urls, { rig, sources }: { readonly rig: Rig; readonly sources: readonly Source[] }): Promise<readonly string[]> {
  const wanted = new Map(sources.filter(({ qos }) => qos > 0).map(({ id, retained }) => [id, retained]));
  const values = new Map<string, number>();
  const missing = (): [string, number][] => [...wanted].filter(([id, n]) => (values.get(id) ?? 0) < n);
  const link = openWsLink(urls, { id: "retained", token: await rig.tokenFor("retained") }, {
    ready: () => link.subscribe(loadTopics, { qos: 0 }),
    delivered: ({ from, msgid }) => void (wanted.has(from) && values.set(from, Number(msgid) || 0)),
  });
  await until(() => missing().length === 0, { what: () => "", within: 5000 }).catch(() => {});
  link.destroy();
  return missing().map(([id, n]) => `the retained value of ${id} is message ${values.get(id) ?? "none"}, not ${n}`);
}
