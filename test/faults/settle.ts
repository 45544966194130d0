import { checkJournal } from "./check-journal.ts";
import { checkRetained, createSources, createWitnesses, drained, witnessed } from "./fleet.ts";
import { createLedgerWatch, type LedgerWatch } from "./ledger-watch.ts";
import type { Rig } from "./rig.ts";
import type { Figures } from "./scenario.ts";
import type { Source } from "./source.ts";
import { Verdict } from "./verdict.ts";
import type { Witness } from "./witness.ts";

/** Everybody who took part. */
export interface Cast {
  readonly rig: Rig;
  readonly sources: readonly Source[];
  readonly witnesses: readonly Witness[];
  readonly ledger: LedgerWatch;
  /** Whether retention may have removed the oldest entries. Default false. */
  readonly pruned?: boolean;
}

/** The usual cast of a rig: six sources, of which `durable` send at qos 1 and 2, two subscribers that resume, and the ledger. */
export async function createCast(rig: Rig): Promise<Cast & { readonly durable: readonly Source[] }> {
  const sources = await createSources(rig);
  const witnesses = await createWitnesses(rig);
  return { rig, sources, durable: sources.filter(({ qos }) => qos > 0), witnesses, ledger: createLedgerWatch(await rig.tokenFor("ledger")) };
}

/**
 * The end of a run in which gateways were killed: one more is started without a fault, the sources have everything acknowledged, the witnesses catch up, the gateway stops in
 * order, and all accounts are compared: what was acknowledged, what the witnesses saw, what is retained, the journal over HTTP and in its file, the ledger.
 */
export async function settle({ rig, sources, witnesses, ledger, pruned = false }: Cast): Promise<Omit<Figures, "cycles">> {
  const problems: string[] = [];
  const gateway = rig.start();
  const urls = await gateway.ready;
  problems.push(...(await checkRetained(urls, { rig, sources })));
  await Promise.all([...sources, ...witnesses].map((peer) => peer.connect(urls)));
  await drained(sources);
  for (const witness of witnesses) await witnessed(witness, sources);
  problems.push(...(await checkRetained(urls, { rig, sources })));
  if (!(await ledger.check(urls))) problems.push("/metrics could not be read at the end");
  const verdict = new Verdict(sources);
  problems.push(...(await checkJournal({ rig, gateway, verdict, witnesses, pruned, token: await rig.tokenFor("reader") })));
  problems.push(...gateway.errors);
  for (const peer of [...sources, ...witnesses]) peer.disconnect();
  const counts = verdict.finish({ pruned });
  const sum = (count: (one: Witness) => number): number => witnesses.reduce((total, one) => total + count(one), 0);
  return {
    ...counts,
    details: {
      "live messages beside": sources.reduce((total, { qos, sent }) => total + (qos === 0 ? sent : 0), 0),
      deliveries: sum((one) => one.deliveries),
      "repeated at qos 1": sum((one) => one.repeated),
      "ledgers balanced": ledger.balanced,
    },
    problems: [...verdict.problems, ...problems, ...ledger.problems, ...witnesses.flatMap((one) => one.problems), ...sources.flatMap(({ refusals }) => refusals.slice(0, 5))],
  };
}

/** The figures of a run with the accounts of its two sinks added. */
export function withSinks(figures: Omit<Figures, "cycles">, sinks: { readonly webhook: Verdict; readonly broker: Verdict }): Omit<Figures, "cycles"> {
  const [webhook, broker] = [sinks.webhook.finish(), sinks.broker.finish()];
  return {
    ...figures,
    lost: figures.lost + webhook.lost + broker.lost,
    doubled: figures.doubled + webhook.doubled + broker.doubled,
    reordered: figures.reordered + webhook.reordered + broker.reordered,
    details: { ...figures.details, "webhook: arrived": webhook.found, "webhook: again": sinks.webhook.repeated, "broker: arrived": broker.found, "broker: again": sinks.broker.repeated },
    problems: [...sinks.webhook.problems, ...sinks.broker.problems, ...figures.problems],
  };
}
