import process from "node:process";
import { BusbarError } from "@busbar/core";
import { journalMessage } from "@busbar/core/testkit";
import { openStorage } from "../../plugins/storage-sqlite/storage.ts";

/*
 * For storage-faults.test.ts: loads the journal in `file` with `batches` batches of several sizes, moves a cursor, lets retention remove what the cursor has passed and merge the rest,
 * and writes a line for what it was told: "ack <first> <count> <name>", "cursor <offset>", "refused <code>".
 */
const [file = "", batches = "1"] = process.argv.slice(2);
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const storage = await openStorage({ file });
const { journal } = storage;
for (let batch = 0; batch < Number(batches); batch++) {
  const name = `${process.pid}.${batch}`;
  const count = [1, 1, 1, 7, 60, 900][batch % 6]!;
  try {
    const first = await journal.append(Array.from({ length: count }, (_, at) => journalMessage({ from: "dev-" + (at % 5), msgid: `${name}.${at}`, retain: at % 50 === 0, payload: { name, filler: "x".repeat(200) } })));
    say(`ack ${first} ${count} ${name}`);
    if (batch % 5 === 4) {
      const cursor = Math.max(0, first - 1500);
      await journal.moveCursor("reader", cursor);
      say(`cursor ${cursor}`);
    }
    if (batch % 7 === 6) await storage.retain({ journal: { before: Date.now(), size: 1e12, maxSize: 1e12 }, series: { before: 0, size: 1e12 } });
  } catch (error) {
    if (!(error instanceof BusbarError)) throw error;
    say(`refused ${error.code}`);
  }
}
await storage.close();
say("closed");
