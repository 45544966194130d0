import process from "node:process";
import { createClient } from "../client.ts";
import { fileStore } from "../file-store.ts";

/**
 * A device that is killed: counts from `first` on, a message for each number, in bursts. Each number is the message's msgid, so that a device that does not know whether it had published a number before it was
 * killed may publish it again. Says `<n>` for each that is acknowledged, and runs the commands it is given, saying `ran <msgid>` before.
 */
const [url = "", file = "", first = "0"] = process.argv.slice(2);
const client = createClient({ url, id: "d-1", token: "d-1", store: fileStore(file), reconnect: { min: 5, max: 50 } });
client.onCommand(async ({ msgid }) => {
  process.stdout.write(`ran ${msgid}\n`);
  await new Promise((resolve) => setTimeout(resolve, 5));
  return "done";
});
for (let n = Number(first); ; n++) {
  client.publish({ type: "status", payload: n, msgid: `n-${n}` }).then(() => process.stdout.write(`acked ${n}\n`), () => {});
  if (n % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
}
