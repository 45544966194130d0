// A device on the client SDK that is killed at any moment. Words: url, id, token, folder, and "drain" to send only what is left. It writes down what it was promised, a line each:
// `p <n>` message n is about to be published, `s <n>` message n is in its store, `a <n>` the gateway has acknowledged it, `c <msgid>` a command was handed to it.
import { closeSync, existsSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { createClient } from "@busbar/client";
import { fileStore } from "@busbar/client/file-store";
import { loadPayload } from "./source.ts";

const [url = "", id = "", token = "", folder = "", drain] = process.argv.slice(2);
const notes = join(folder, "device.log");
const known = existsSync(notes) ? [...readFileSync(notes, "utf8").matchAll(/^s (\d+)$/gm)].at(-1)?.[1] : undefined;
const log = openSync(notes, "a");
const note = (line: string): void => void writeSync(log, `${line}\n`);

// Without fdatasync: what SIGKILL leaves is what was written.
const client = createClient({ url, id, token, store: fileStore(join(folder, "device.store"), { sync: false }), buffer: { limit: 100_000 }, reconnect: { min: 20, max: 200 }, batch: { count: 20 } });
client.on("problem", (error) => console.error(error));
client.onCommand((command) => {
  note(`c ${command.msgid}`);
  return { done: command.msgid };
});

if (drain === "drain") {
  await client.connected;
  await new Promise((resolve) => setTimeout(resolve, 300)); // commands that wait for it come now
  await client.close({ drain: true, timeout: 60_000 });
  closeSync(log);
} else {
  console.log("ready");
  for (let n = Number(known ?? 0) + 1; ; ) {
    const last = n + Math.floor(Math.random() * 8);
    note(`p ${last}`);
    for (; n <= last; n++) {
      const number = n;
      client.publish({ type: "status", msgid: String(n), qos: n % 2 === 0 ? 1 : 2, payload: loadPayload(id, n) }).then(() => note(`a ${number}`), () => {});
    }
    await client.saved();
    note(`s ${last}`);
    await new Promise((resolve) => setTimeout(resolve, 4));
  }
}
