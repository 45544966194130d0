/**
 * What a plugin's tests are made of: a clock that stands still, an authority that believes everybody, and one suite per interface of the kernel.
 *
 * @module
 */
export * from "./assert-ledger-balances.ts";
export * from "./codec-suite.ts";
export * from "./create-random.ts";
export * from "./fake-clock.ts";
export * from "./framing-suite.ts";
export * from "./free-port.ts";
export * from "./journal-message.ts";
export * from "./journal-suite.ts";
export * from "./make-certificate.ts";
export * from "./open-authority.ts";
export * from "./open-step.ts";
export * from "./refusing-journal.ts";
export * from "./test-plugin.ts";
export * from "./session-peer.ts";
export * from "./session-suite.ts";
export * from "./sum-metrics.ts";
export * from "./until.ts";
