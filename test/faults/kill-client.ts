import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { checkJournal } from "./check-journal.ts";
import type { Urls } from "./gateway-process.ts";
import { createLedgerWatch } from "./ledger-watch.ts";
import { createRandom } from "./random.ts";
import { createRig } from "./rig.ts";
import type { Runtime, Scenario } from "./scenario.ts";
import { Verdict, type Account } from "./verdict.ts";

const id = "load/device";
/** One cycle in so many kills the gateway as well. */
const gatewayKills = 5;
/** A device on the SDK with a file store is killed at random moments. */
export const killClient: Scenario = {
  name: "kill-client",
  about: "SIGKILL of a device on the client SDK (fileStore) at a random moment, now and then of the gateway too: what its store took arrives once and in order, no command is handed to it twice",
  cycles: { short: 4, long: 300 },
  async run({ cycles, seed, runtime, log }) {
    const random = createRandom(seed);
    await using rig = await createRig({ runtime });
    const folder = join(rig.folder, "device");
    mkdirSync(folder);
    const [token, asker] = [await rig.tokenFor(id), await rig.tokenFor("operator")];
    const ledger = createLedgerWatch(asker);
    const problems: string[] = [];
    const commands: string[] = [];
    let gateway = rig.start();
    const urls = await gateway.ready;
    const plugins = { http: { port: Number(new URL(urls.get("HTTP API")!).port) } }; // a device that lives on must find the next gateway
    for (let cycle = 0; cycle < cycles; cycle++) {
      const device = startDevice({ runtime, words: [urls.get("WebSocket")!, id, token, folder] });
      await once(device.stdout!, "data");
      await sleep(random.between(0, 200));
      const msgid = await sendCommand(urls, { token: asker, cycle });
      if (msgid !== undefined) commands.push(msgid);
      await sleep(random.between(0, 200));
      if (random.between(1, gatewayKills) === 1) {
        await gateway.kill();
        problems.push(...gateway.errors);
        gateway = rig.start({ plugins });
        await gateway.ready;
        await sleep(random.between(0, 300));
      }
      await kill(device);
      await ledger.check(urls);
      if ((cycle + 1) % 50 === 0) log(`${cycle + 1} of ${cycles} cycles`);
    }
    // A device that drains ends when its messages are stored: a command that comes in that moment waits for the next connection.
    let open: readonly string[] = [];
    for (let attempt = 0; attempt === 0 || (open.length > 0 && attempt < 5); attempt++) {
      const last = startDevice({ runtime, words: [urls.get("WebSocket")!, id, token, folder, "drain"] });
      const [code] = (await once(last, "exit")) as [number | null];
      if (code !== 0) problems.push(`the device ended with ${code}`);
      open = await openCommands(urls, { token: asker, commands });
    }
    const { account, handed } = readNotes(join(folder, "device.log"));
    problems.push(...gateway.errors);
    for (const [msgid, count] of handed) if (count > 1) problems.push(`command ${msgid} was handed to the device ${count} times`);
    problems.push(...open);
    await ledger.check(urls);
    const verdict = new Verdict([account]);
    problems.push(...(await checkJournal({ rig, gateway, verdict, witnesses: [], pruned: false, token: asker })));
    return {
      cycles,
      ...verdict.finish(),
      details: { "commands given": commands.length, "commands handed over": handed.size, "ledgers balanced": ledger.balanced },
      problems: [...verdict.problems, ...problems.slice(0, 20), ...ledger.problems],
    };
  },
};

function startDevice({ runtime, words }: { readonly runtime: Runtime; readonly words: readonly string[] }): ChildProcess {
  const [first, ...rest] = runtime.command(fileURLToPath(new URL("./device-program.ts", import.meta.url)));
  return spawn(first!, [...rest, ...words], { stdio: ["ignore", "pipe", "inherit"] });
}

async function kill(device: ChildProcess): Promise<void> {
  if (device.exitCode !== null || device.signalCode !== null) return;
  const gone = once(device, "exit");
  process.kill(device.pid!, "SIGKILL");
  await gone;
}

/** Gives the device a command. Gives its msgid, undefined when the gateway did not take it. */
async function sendCommand(urls: Urls, { token, cycle }: { readonly token: string; readonly cycle: number }): Promise<string | undefined> {
  const response = await fetch(`${urls.get("HTTP API")!}/api/devices/${encodeURIComponent(id)}/commands`, { method: "POST", headers: { authorization: `Bearer ${token}`, "content-type": "application/json" }, body: JSON.stringify({ payload: { cycle }, ttl: 600 }) });
  const { msgid } = (await response.json()) as { readonly msgid?: string };
  return response.status === 202 ? msgid : undefined;
}

/** A sentence for each command that has no outcome although its device was there and answered all it got. */
async function openCommands(urls: Urls, { token, commands }: { readonly token: string; readonly commands: readonly string[] }): Promise<readonly string[]> {
  const open: string[] = [];
  for (const msgid of commands) {
    const response = await fetch(`${urls.get("HTTP API")!}/api/commands/${msgid}`, { headers: { authorization: `Bearer ${token}` } });
    const { state } = (await response.json()) as { readonly state?: string };
    if (state !== "done" && state !== "failed") open.push(`command ${msgid} is ${state ?? `answered with status ${response.status}`}`);
  }
  return open;
}

/** What the device has written down: what it was promised, and how often each command was handed to it. */
function readNotes(file: string): { readonly account: Account; readonly handed: ReadonlyMap<string, number> } {
  const handed = new Map<string, number>();
  const acknowledged = new Set<number>();
  let [sent, saved] = [0, 0];
  for (const [, kind, word] of readFileSync(file, "utf8").matchAll(/^([psac]) (\S+)$/gm)) {
    if (kind === "c") handed.set(word!, (handed.get(word!) ?? 0) + 1);
    else if (kind === "a") acknowledged.add(Number(word));
    else if (kind === "s") saved = Math.max(saved, Number(word));
    else sent = Math.max(sent, Number(word));
  }
  return { handed, account: { id, qos: 1, sent, acknowledged: saved, isAcknowledged: (n) => n <= saved || acknowledged.has(n), offsetOf: () => undefined } };
}
