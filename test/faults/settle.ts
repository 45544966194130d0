import { checkJournal } from "./check-journal.ts";
import { checkRetained, drained, witnessed } from "./fleet.ts";
import type { LedgerWatch } from "./ledger-watch.ts";
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
