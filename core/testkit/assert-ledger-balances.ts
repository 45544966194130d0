import assert from "node:assert/strict";
import { parseLedger, type LedgerAccount } from "../ledger.ts";

/**
 * Checks, at the end of a scenario or in the middle of one, that a gateway has lost track of nothing: every account of the ledger in its metrics (`Gateway.metrics()`, or the text of
 * `/metrics`) balances. `settled`: and that nothing waits any more. Returns the accounts by name, for what else a test wants to know of them.
 * @throws {AssertionError} naming the account, what entered and what has become of it.
 */
export function assertLedgerBalances(metricsText: string, options: { readonly settled?: boolean } = {}): Readonly<Record<string, LedgerAccount>> {
  const accounts = parseLedger(metricsText);
  assert.ok(/^busbar_received_total[ {]/m.test(metricsText), "these are not the metrics of a gateway");
  for (const { name, entered, settled, waiting, imbalance } of accounts) {
    const fates = Object.entries(settled).map(([fate, count]) => `${count} ${fate}`).join(", ");
    assert.equal(imbalance, 0, `the account "${name}" does not balance: ${entered} entered, ${waiting} wait, ${fates || "nothing is settled"}`);
    if (options.settled) assert.equal(waiting, 0, `the account "${name}" is not settled: ${waiting} of ${entered} wait, ${fates}`);
  }
  return Object.fromEntries(accounts.map((account) => [account.name, account]));
}
