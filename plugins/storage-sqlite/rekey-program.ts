import { openStorage } from "./storage.ts";

/*
 * For encryption.test.ts: encrypts the journal in `file` anew and is killed in the midst of the third step.
 */
const [file = ""] = process.argv.slice(2);
const key = (id: string, byte: number) => ({ id, bytes: new Uint8Array(32).fill(byte) });
const storage = await openStorage({ file, encryption: { sensitive: [{ topics: ["status/ward/#"], fields: ["payload.name", "payload.values[tag=heart-rate]"] }, { topics: ["event/diary"], fields: ["payload"] }], keys: [key("2026-11", 2), key("2026-10", 1)] } });
let steps = 0;
await storage.rekeying.rekey(() => {
  if (++steps === 2) setImmediate(() => process.kill(process.pid, "SIGKILL"));
});
