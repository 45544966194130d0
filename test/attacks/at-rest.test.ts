import assert from "node:assert/strict";
import { chmodSync, cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, test } from "node:test";
import { openFolder, runBusbar, startBusbar, startGateway } from "../../cli/testing/busbar.ts";
import { splitBlocks } from "../../plugins/storage-sqlite/block.ts";
import { entryBody, entrySize } from "../../plugins/storage-sqlite/entry-layout.ts";
import { sumOf } from "./target/assert-unharmed.ts";

const config = (keys: string): string => `plugins:
  auth-jwt:
    keyFile: signing.key
    roles: { admin: { publish: ["#"], subscribe: ["#"] } }
  http: { port: 0 }
  storage-sqlite:
    encryption:
      sensitive: [{ topics: "status/ward/#", fields: [payload.name, payload.pulse] }]
      keys: [${keys}]
`;
const [first, second] = ["{ id: k1, keyFile: k1.key }", "{ id: k2, keyFile: k2.key }"];
const keyOf = (byte: number): string => Buffer.alloc(32, byte).toString("base64");
const people = ["Erika Mustermann", "Johnny SampleMan"] as const; // of one length: only the binding can tell their boxes apart
const mark = (key: string): object => ({ $encrypted: key });

/** What a thief has: the folder of a gateway that has stopped, a copy for each attack. */
let stolen: Awaited<ReturnType<typeof openFolder>>;
let token = "";
/** Files in which a name stood while the gateway ran, and after. */
let whileOpen: string[] = [];
before(async () => {
  stolen = await openFolder({ "busbar.yaml": config(first) });
  for (const [name, byte] of [["k1", 1], ["k2", 2]] as const) writeFileSync(join(stolen.path, `${name}.key`), keyOf(byte), { mode: 0o600 });
  await using gateway = await startGateway(stolen.path);
  token = (await runBusbar(["token", "ward", "--role", "admin"], { cwd: stolen.path })).stdout.trim();
  const messages = [
    ...people.map((name, at) => ({ type: "status", from: "ward/bed", msgid: `p-${at}`, qos: 1, retain: true, payload: { name, pulse: 71.90625, room: `R-${at}`, note: "in plain text" } })),
    { type: "status", from: "ward/fake", msgid: "p-2", qos: 1, payload: { name: "Nobody Whatsoever", note: mark("k1") } },
  ];
  const answer = await fetch(`${urlOf(gateway)}/api/messages`, { method: "POST", headers: { authorization: `Bearer ${token}`, "content-type": "application/json" }, body: JSON.stringify(messages) });
  assert.equal(answer.status, 200, await answer.text());
  whileOpen = people.flatMap((name) => filesWith(stolen.path, name));
});
after(async () => await stolen?.[Symbol.asyncDispose]());

const urlOf = (gateway: { readonly urls: ReadonlyMap<string, string> }): string => [...gateway.urls.values()].find((url) => url.startsWith("http:"))!.replace(/\/$/, "");

/** The files of a folder, and of those in it, that hold a text, in plain or as base64. */
function filesWith(folder: string, text: string): string[] {
  const forms = [Buffer.from(text), ...[0, 1, 2].map((shift) => Buffer.from(Buffer.concat([Buffer.alloc(shift), Buffer.from(text)]).toString("base64").slice(4, -4)))];
  return readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name)).filter((file) => forms.some((form) => form.length >= 8 && readFileSync(file).includes(form)));
}

/** The thief's own copy. */
async function copy(): Promise<{ readonly path: string; readonly database: string } & AsyncDisposable> {
  const folder = await openFolder();
  cpSync(stolen.path, folder.path, { recursive: true });
  return { path: folder.path, database: join(folder.path, "data/busbar.db"), [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

/** Starts a gateway on the folder and asks it for what was said: payloads by msgid, and what it counts as lost. */
async function ask(folder: string): Promise<{ readonly payloads: Readonly<Record<string, unknown>>; readonly lost: number; readonly log: string }> {
  await using gateway = await startGateway(folder);
  const headers = { authorization: `Bearer ${token}` };
  const answer = (await (await fetch(`${urlOf(gateway)}/api/messages?topic=status/%23`, { headers })).json()) as { readonly messages: readonly { readonly msgid: string; readonly payload: unknown }[] };
  const metrics = await (await fetch(`${urlOf(gateway)}/metrics`, { headers })).text();
  gateway.signal("SIGTERM");
  const { stderr } = await gateway.ended;
  return { payloads: Object.fromEntries(answer.messages.map(({ msgid, payload }) => [msgid, payload])), lost: sumOf(metrics, "busbar_storage_lost_total"), log: stderr };
}

/** Changes entries of a journal as somebody does who knows its format, checksums and all. */
function tamper(file: string, change: (entries: Buffer[]) => void): void {
  const database = new DatabaseSync(file);
  try {
    const epoch = database.prepare("select value from meta where name = 'epoch'").get()!["value"] as string;
    const blocks = database.prepare("select first, last, body from block order by last").all() as { first: number; last: number; body: Uint8Array }[];
    const entries = blocks.map(({ body }) => entriesOf(Buffer.from(body)));
    change(entries.flat());
    for (const [at, { first: offset, last }] of blocks.entries()) {
      const [block] = splitBlocks(Buffer.concat(entries[at]!), offset, { epoch });
      database.prepare("update block set body = ?, crc = ? where last = ?").run(block!.body, block!.crc, last);
    }
  } finally {
    database.close();
  }
}

function entriesOf(body: Buffer): Buffer[] {
  const entries: Buffer[] = [];
  for (let at = 0; at < body.length; at += entrySize(body, at)) entries.push(body.subarray(at, at + entrySize(body, at)));
  return entries;
}

/** The encrypted part of the entry with that msgid: a view, to be written to. */
function boxOf(entries: readonly Buffer[], msgid: string): Buffer {
  const entry = entries.find((one) => one.includes(`${msgid}ward/`))!;
  const length = entryBody(entry, 0) + 1 + entry[entryBody(entry, 0)]!;
  return entry.subarray(length + 4, length + 4 + entry.readUInt32LE(length));
}

describe("attacks: what is encrypted at rest", () => {
  test("steals the disk of a running or a stopped gateway and searches every file for a name: it is in none", async () => {
    assert.deepEqual(whileOpen, []);
    for (const name of [...people, "Nobody Whatsoever"]) assert.deepEqual(filesWith(stolen.path, name), []);
    assert.ok(filesWith(stolen.path, "plain text").length > 0, "what is not sensitive is found by the same search");
  });

  test("moves a patient's encrypted name to another patient's message, and flips a bit of a third: neither opens, both are reported, and a mark that a device sent stays what it is", async () => {
    await using folder = await copy();
    assert.deepEqual((await ask(folder.path)).payloads, { "p-0": { name: people[0], pulse: 71.90625, room: "R-0", note: "in plain text" }, "p-1": { name: people[1], pulse: 71.90625, room: "R-1", note: "in plain text" }, "p-2": { name: "Nobody Whatsoever", note: mark("k1") } });
    tamper(folder.database, (entries) => {
      boxOf(entries, "p-1").set(boxOf(entries, "p-0"));
      boxOf(entries, "p-2")[20]! ^= 1;
    });
    const { payloads, lost, log } = await ask(folder.path);
    assert.deepEqual(payloads, { "p-0": { name: people[0], pulse: 71.90625, room: "R-0", note: "in plain text" } }, "the rest is readable");
    assert.equal(lost, 2, log);
  });

  test("changes the plain part of a message beside its encrypted name: the name does not open there any more", async () => {
    await using folder = await copy();
    tamper(folder.database, (entries) => {
      const entry = entries.find((one) => one.includes("p-0ward/"))!;
      entry.write("R-9", entry.lastIndexOf("R-0"));
    });
    const { payloads } = await ask(folder.path);
    assert.deepEqual(Object.keys(payloads), ["p-1", "p-2"]);
  });

  test("reads the key from a file that others may read: the gateway does not start with it", { skip: process.platform === "win32" }, async () => {
    await using folder = await copy();
    chmodSync(join(folder.path, "k1.key"), 0o640);
    const { code, stderr } = await startBusbar(["start"], { cwd: folder.path }).ended;
    assert.equal(code, 78);
    assert.match(stderr, /k1\.key.*others have access to it/);
    assert.ok(!stderr.includes(keyOf(1)));
  });

  test("starts the gateway with a key of his own under the id of the real one: it is told from that, and nothing is encrypted with it", async () => {
    await using folder = await copy();
    writeFileSync(join(folder.path, "k1.key"), keyOf(9), { mode: 0o600 });
    const { code, stderr } = await startBusbar(["start"], { cwd: folder.path }).ended;
    assert.equal(code, 78);
    assert.match(stderr, /Cannot use the key \\?"k1\\?": it is another one/);
    assert.ok(!stderr.includes(keyOf(9)));
  });

  test("starts the gateway without the key: he has marks where the names are, and the rest", async () => {
    await using folder = await copy();
    writeFileSync(join(folder.path, "busbar.yaml"), config(second));
    const { payloads, log } = await ask(folder.path);
    assert.deepEqual(payloads, { "p-0": { name: mark("k1"), pulse: mark("k1"), room: "R-0", note: "in plain text" }, "p-1": { name: mark("k1"), pulse: mark("k1"), room: "R-1", note: "in plain text" }, "p-2": { name: mark("k1"), note: mark("k1") } });
    assert.match(log, /a key that is not in the config/);
  });

  test("has got hold of the old key, but the disk only after busbar rekey: it opens nothing there, and nothing under it is left", async () => {
    await using folder = await copy();
    let box = Buffer.alloc(0);
    tamper(folder.database, (entries) => void (box = Buffer.from(boxOf(entries, "p-0"))));
    const holds = (): boolean => readdirSync(join(folder.path, "data")).some((name) => readFileSync(join(folder.path, "data", name)).includes(box));
    assert.ok(holds());
    writeFileSync(join(folder.path, "busbar.yaml"), config(`${second}, ${first}`));
    const { code, stdout, stderr } = await runBusbar(["rekey", "--json"], { cwd: folder.path });
    assert.equal(code, 0, stderr);
    const { key, changed, counts, before: had } = JSON.parse(stdout) as Record<string, unknown>;
    assert.deepEqual({ key, changed, counts, had }, { key: "k2", changed: 3, counts: { k2: 3 }, had: { k1: 3 } });
    assert.ok(!holds(), "what the old key opens is in none of the files");
    const replay = async (): Promise<string> => {
      const { code, stderr } = await runBusbar(["replay", "--journal", "data/busbar.db", "--only", "status/#", "--out", "out.jsonl"], { cwd: folder.path });
      assert.equal(code, 0, stderr);
      const text = readFileSync(join(folder.path, "out.jsonl"), "utf8");
      rmSync(join(folder.path, "out.jsonl"));
      return text;
    };
    assert.ok((await replay()).includes(people[0]), "who has the keys reads the journal with busbar replay");
    writeFileSync(join(folder.path, "busbar.yaml"), config(first));
    assert.ok(!(await replay()).includes(people[0]));
    assert.deepEqual((await ask(folder.path)).payloads["p-0"], { name: mark("k2"), pulse: mark("k2"), room: "R-0", note: "in plain text" });
    writeFileSync(join(folder.path, "busbar.yaml"), config(second));
    assert.deepEqual((await ask(folder.path)).payloads["p-0"], { name: people[0], pulse: 71.90625, room: "R-0", note: "in plain text" });
  });
});
