import { BusbarError } from "@busbar/core";
import { journalMessage } from "@busbar/core/testkit";
import { openStorage } from "./storage.ts";

/*
 * For kill.test.ts: appends batches of `size` messages to the journal in `file` until it is killed or refused, and writes a line for each one that was
 * acknowledged: the offset of its first message and its count.
 */
const [file = "", size = "1"] = process.argv.slice(2);
const storage = await openStorage({ file });
for (let batch = 0; ; batch++) {
  const messages = Array.from({ length: Number(size) }, (_, at) => journalMessage({ from: "dev", msgid: `${process.pid}-${batch}-${at}`, payload: { batch, at, filler: "x".repeat(300) } }));
  try {
    const first = await storage.journal.append(messages);
    process.stdout.write(`${first} ${messages.length}\n`);
  } catch (error) {
    if (!(error instanceof BusbarError)) throw error;
    process.stdout.write(`refused ${error.code}\n`);
    if (batch % 5 === 4) break;
  }
}
await storage.close().catch((error: unknown) => process.stdout.write(`close: ${error instanceof BusbarError ? error.code : String(error)}\n`));
