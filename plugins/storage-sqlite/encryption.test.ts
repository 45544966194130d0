import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { BusbarError, type Encryption, type Envelope } from "@busbar/core";
import { journalMessage, readAll, sameMessage } from "@busbar/core/testkit";
import { overwrite } from "./damage-fixture.ts";
import { openStorage, type Storage } from "./storage.ts";
import { spawnProgram, temporaryFolder } from "./temporary-storage.ts";

const sensitive: Encryption["sensitive"] = [
  { topics: ["status/ward/#"], fields: ["payload.name", "payload.values[tag=heart-rate]"] },
  { topics: ["event/diary"], fields: ["payload"] },
];
const key = (id: string, byte: number): Encryption["keys"][number] => ({ id, bytes: new Uint8Array(32).fill(byte) });
const [old, fresh] = [key("2026-10", 1), key("2026-11", 2)];
const secrets = ["Erika Mustermann", "71.90625", "slept badly", "a cough"];

/** What is said: some of it sensitive in whole, in part, within a dead letter and within a last will, and some of it not. */
const said = (): Envelope[] => [
  journalMessage({ from: "ward/bed-7", msgid: "s-1", retain: true, payload: { name: "Erika Mustermann", room: "R-12" } }),
  journalMessage({ from: "ward/bed-7", msgid: "s-2", payload: { values: [{ tag: "heart-rate", value: 71.90625, unit: "1/min" }, { tag: "temperature", value: 36.5 }] } }),
  journalMessage({ type: "event", from: "diary", msgid: "s-3", payload: "slept badly" }),
  journalMessage({ type: "event", from: "diary", msgid: "s-4", payload: new TextEncoder().encode("a cough") }),
  journalMessage({ type: "dead-letter", from: "webhook/out", msgid: "s-5", payload: { reason: "no", received: 1, message: { type: "status", from: "ward/bed-7", to: "server", payload: { name: "Erika Mustermann" } } } }),
  journalMessage({ type: "command", from: "nurse", to: "ward/bed-7", msgid: "s-6", payload: { up: true } }),
];

/** The files of a folder in which a text stands, in plain or as base64. */
function filesWith(folder: string, text: string): string[] {
  const forms = [Buffer.from(text), ...[0, 1, 2].map((shift) => Buffer.from(Buffer.concat([Buffer.alloc(shift), Buffer.from(text)]).toString("base64").slice(4, -4)))];
  const number = Number(text);
  if (!Number.isNaN(number)) {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleBE(number); // as SQLite stores it
    forms.push(bytes);
  }
  return readdirSync(folder).filter((name) => forms.some((form) => form.length > 3 && readFileSync(join(folder, name)).includes(form)));
}

const leaks = (folder: string): string[] => secrets.flatMap((secret) => filesWith(folder, secret).map((name) => `${secret} in ${name}`));

async function fill(storage: Storage, messages = said()): Promise<void> {
  await storage.journal.append(messages);
  for (const message of messages) storage.queue.add(message);
  storage.queue.flush();
  await storage.store.devices({ limit: 10 });
}

async function reopened<T>(file: string, encryption: Encryption | undefined, use: (storage: Storage) => Promise<T>): Promise<T> {
  const storage = await openStorage({ file, encryption });
  try {
    return await use(storage);
  } finally {
    await storage.close();
  }
}

test("sensitive fields are in none of the files, and readers have them as they were", async (context) => {
  const folder = temporaryFolder(context);
  const file = join(folder, "busbar.db");
  const encryption = { sensitive, keys: [old] };
  await reopened(file, encryption, async (storage) => {
    await fill(storage);
    assert.deepEqual(leaks(folder), [], "while it is open");
    assert.deepEqual(await storage.rekeying.counts(), { "2026-10": 5 });
  });
  assert.deepEqual(leaks(folder), []);
  assert.ok(filesWith(folder, "R-12").length > 0, "the rest stays in plain text: the search finds what is there");
  await reopened(file, encryption, async ({ journal, store }) => {
    for (const [at, { message }] of (await readAll(journal, { after: 0 })).entries()) sameMessage(message, said()[at]!);
    assert.deepEqual((await journal.retained()).map(({ message }) => message.payload), [{ name: "Erika Mustermann", room: "R-12" }]);
    assert.deepEqual((await store.messages({ topic: "dead-letter/#", limit: 10 })).entries.map(({ message }) => message.payload), [said()[4]!.payload]);
    assert.deepEqual(Object.keys((await store.device("ward/bed-7"))!.values).sort(), ["room", "temperature"]);
  });
});

test("without the key readers have marks, the rest, and no command; another key of that id is refused", async (context) => {
  const file = join(temporaryFolder(context), "busbar.db");
  const all = { sensitive: [...sensitive, { topics: ["command/#"], fields: ["payload.up"] }], keys: [old] };
  await reopened(file, all, fill);
  await reopened(file, undefined, async ({ journal, rekeying }) => {
    assert.deepEqual(rekeying.opened.counts, { "2026-10": 6 });
    const found = (await readAll(journal, { after: 0 })).map(({ message }) => message);
    const mark = { $encrypted: "2026-10" };
    assert.deepEqual(found.slice(0, 3).map(({ payload }) => payload), [{ name: mark, room: "R-12" }, { values: [mark, { tag: "temperature", value: 36.5 }] }, mark]);
    assert.equal(found[5]!.expires, found[5]!.received, "a command that cannot be read counts as expired");
  });
  await assert.rejects(openStorage({ file, encryption: { sensitive, keys: [key("2026-10", 9)] } }), (error: BusbarError) => error.code === "CONFIG" && /key "2026-10".*another one/.test(error.message));
  await reopened(file, all, async ({ journal }) => sameMessage((await readAll(journal, { after: 0 }))[0]!.message, said()[0]!));
});

test("rekey() encrypts what was in plain text or under an old key, and leaves nothing of it in the files", async (context) => {
  const folder = temporaryFolder(context);
  const file = join(folder, "busbar.db");
  await reopened(file, undefined, fill);
  assert.ok(leaks(folder).length >= 5, "in plain text before");
  const later = journalMessage({ from: "ward/bed-8", payload: { name: "Erika Mustermann" } });
  await reopened(file, { sensitive, keys: [old] }, async (storage) => {
    await storage.journal.append([later]);
    assert.equal((await storage.rekeying.survey(AbortSignal.timeout(20_000))).changed, 5, "those from before the rules");
  });
  const result = await reopened(file, { sensitive, keys: [fresh, old] }, ({ rekeying }) => rekeying.rekey(() => {}));
  assert.deepEqual(result, { looked: 7, changed: 6, damaged: 0, locked: 0, retainedLeft: 0, counts: { "2026-11": 6 } });
  assert.deepEqual(leaks(folder), []);
  await reopened(file, { sensitive, keys: [fresh] }, async ({ journal, rekeying, store }) => {
    for (const [at, { message }] of (await readAll(journal, { after: 0 })).entries()) sameMessage(message, [...said(), later][at]!);
    assert.equal((await rekeying.survey(AbortSignal.timeout(20_000))).changed, 0);
    assert.deepEqual((await journal.retained()).map(({ message }) => message.payload), [{ name: "Erika Mustermann", room: "R-12" }]);
    assert.deepEqual(Object.keys((await store.device("ward/bed-7"))!.values).sort(), ["room", "temperature"], "series of sensitive values are gone");
  });
});

test("a salvage of a damaged file leaves the fields encrypted, in the new file and in what is set aside, and so does retention", async (context) => {
  const folder = temporaryFolder(context);
  const file = join(folder, "busbar.db");
  const encryption = { sensitive, keys: [old] };
  const many = Array.from({ length: 300 }, (_, at) => journalMessage({ from: "ward/bed-7", msgid: `m-${at}`, payload: { name: "Erika Mustermann", room: "R-12", filler: "x".repeat(900) } }));
  await reopened(file, encryption, async (storage) => {
    await fill(storage);
    for (let at = 0; at < many.length; at += 50) await storage.journal.append(many.slice(at, at + 50));
    await storage.retain({ journal: { before: 0, size: 1e15, maxSize: 1e15 }, series: { before: 0, size: 1e15 } });
  });
  overwrite(file, 0, Buffer.alloc(4096, 0xa5));
  await reopened(file, encryption, async (storage) => {
    assert.ok(readdirSync(folder).some((name) => name.includes(".damaged-")), readdirSync(folder).join(" "));
    assert.deepEqual(await storage.rekeying.counts(), { "2026-10": 305 });
    const { entries } = await storage.store.messages({ topic: "status/ward/bed-7", limit: 1000 });
    assert.deepEqual([entries.length, entries.every(({ message }) => (message.payload as { name?: unknown }).name !== undefined || "values" in (message.payload as object))], [302, true]);
    await storage.retain({ journal: { before: Number.MAX_SAFE_INTEGER, size: 1e15, maxSize: 1e15 }, series: { before: 0, size: 1e15 } });
    assert.deepEqual(await storage.rekeying.counts(), {});
  });
  assert.deepEqual(leaks(folder), []);
});

test("rekey() that is killed goes on where it was, and no entry is lost", async (context) => {
  const folder = temporaryFolder(context);
  const file = join(folder, "busbar.db");
  const batch = (at: number): Envelope[] => Array.from({ length: 500 }, (_, index) => journalMessage({ from: "ward/bed-7", msgid: `k-${at}-${index}`, payload: { name: "Erika Mustermann", room: "R-12", filler: "x".repeat(400) } }));
  await reopened(file, { sensitive, keys: [old] }, async ({ journal }) => {
    for (let at = 0; at < 20; at++) await journal.append(batch(at));
  });
  const child = spawnProgram("rekey-program.ts", [file]);
  context.after(() => child.kill("SIGKILL"));
  const [, signal] = (await once(child, "exit")) as [number | null, string | null];
  assert.equal(signal, "SIGKILL");
  const keys = [fresh, old];
  const counts = await reopened(file, { sensitive, keys }, async ({ rekeying }) => {
    assert.ok(rekeying.opened.rekeyedUpTo > 0, "how far it was is known");
    assert.ok(rekeying.opened.counts["2026-10"]! > 0 && rekeying.opened.counts["2026-11"]! > 0, JSON.stringify(rekeying.opened.counts));
    const { looked, counts } = await rekeying.rekey(() => {});
    assert.ok(looked < 10_000, `only the rest is looked at: ${looked}`);
    return counts;
  });
  assert.deepEqual(counts, { "2026-11": 10_000 });
  assert.deepEqual(filesWith(folder, "Erika Mustermann"), []);
  await reopened(file, { sensitive, keys: [fresh] }, async ({ journal }) => {
    const entries = await readAll(journal, { after: 0 });
    assert.deepEqual([entries.length, entries.every(({ message }) => (message.payload as { name: unknown }).name === "Erika Mustermann")], [10_000, true]);
  });
});

test("what steps of routes remember is in none of the files as soon as there is any rule, and is read as it was", async (context) => {
  const folder = temporaryFolder(context);
  const file = join(folder, "busbar.db");
  const encryption = { sensitive, keys: [old] };
  const state = Object.assign(journalMessage({ type: "event", from: "gateway/thin", retain: true, qos: 1, msgid: "r-1", payload: new TextEncoder().encode("a cough") }), { type: "route-state", topic: "route-state/gateway/thin" });
  await reopened(file, encryption, async (storage) => void (await storage.journal.append([state])));
  assert.deepEqual(leaks(folder), []);
  await reopened(file, encryption, async (storage) => {
    const [kept] = await storage.journal.retained();
    assert.deepEqual([kept?.message.topic, kept?.message.payload], ["route-state/gateway/thin", new TextEncoder().encode("a cough")]);
  });
});
