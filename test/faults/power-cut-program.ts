import { writeSync } from "node:fs";
import { journalMessage } from "@busbar/core/testkit";
import { openStorage } from "../../plugins/storage-sqlite/storage.ts";

/*
 * For power-cut.ts: does to the journal in `file` what a gateway does, `batches` times, and says so beforehand ("ask <count> <name>", "move <offset>") and afterwards ("ack <first> <count> <name>"),
 * each in one write(2). Checkpoints are frequent, and now and then it is closed and opened again, so that there is a good chance that the power fails in one.
 */
const [file = "", durability = "full", run = "0", batches = "1"] = process.argv.slice(2);
const say = (text: string): void => void writeSync(1, `${text}\n`);
const open = () => openStorage({ file, durability: durability === "full" ? "full" : "normal", checkpointBytes: 200_000 });
let storage = await open();
for (let batch = 0; batch < Number(batches); batch++) {
  const name = `${run}.${batch}`;
  const count = [1, 7, 1, 60, 1, 200, 2][batch % 7]!;
  const messages = Array.from({ length: count }, (_, at) => journalMessage({ from: "dev-" + (at % 5), msgid: `${name}.${at}`, retain: at % 20 === 0, payload: { name, temperature: at, filler: "x".repeat(150) } }));
  for (const message of messages) storage.queue.add(message);
  say(`ask ${count} ${name}`);
  const first = await storage.journal.append(messages);
  say(`ack ${first} ${count} ${name}`);
  if (batch % 5 === 4) {
    const cursor = Math.max(0, first - 300);
    say(`move ${cursor}`);
    await storage.journal.moveCursor("reader", cursor);
  }
  if (batch % 9 === 8) await storage.retain({ journal: { before: Date.now(), size: 1e12, maxSize: 1e12 }, series: { before: 0, size: 1e12 } });
  if (batch % 25 === 24) {
    await storage.close();
    storage = await open();
  }
}
await storage.close();
say("closed");
