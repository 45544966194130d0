import assert from "node:assert/strict";
import { mkdtemp, open, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createClient } from "./client.ts";
import type { ClientError } from "./client-error.ts";
import { fileStore } from "./file-store.ts";
import { openGateway } from "./testing/gateway.ts";
import { openClient } from "./testing/transports.ts";
import { storeSuite } from "./testing/store-suite.ts";

/** A folder that is gone after the test. */
async function openFolder(): Promise<{ readonly file: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "busbar-client-"));
  return { file: join(path, "client.log"), [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

const change = (changes: Readonly<Record<string, unknown>>): ReadonlyMap<string, unknown> => new Map(Object.entries(changes));

for (const sync of [true, false]) {
  const folder = await openFolder();
  storeSuite(`fileStore() with sync ${sync}`, () => fileStore(folder.file, { sync }));
  test(`fileStore() with sync ${sync} leaves no other file behind`, async () => {
    const { readdir } = await import("node:fs/promises");
    assert.deepEqual(await readdir(join(folder.file, "..")), ["client.log"]);
    await folder[Symbol.asyncDispose]();
  });
}

test("fileStore() cuts a torn tail off, wherever it was torn, and goes on behind it", async () => {
  await using folder = await openFolder();
  const store = fileStore(folder.file);
  await store.load();
  const ends = [0];
  for (let n = 0; n < 5; n++) {
    await store.write(change({ [`k${n}`]: { n, text: "ü" } }));
    ends.push((await stat(folder.file)).size);
  }
  await store.close();
  const whole = await readFile(folder.file);
  for (let length = whole.length; length >= 0; length--) {
    await writeFile(folder.file, whole.subarray(0, length));
    const torn = fileStore(folder.file, { sync: false });
    const count = ends.findLastIndex((end) => end <= length);
    assert.deepEqual([...(await torn.load()).keys()], Array.from({ length: count }, (_, n) => `k${n}`), `${length} bytes`);
    await torn.write(change({ more: 1 }));
    await torn.close();
    const after = fileStore(folder.file);
    assert.equal((await after.load()).size, count + 1);
    await after.close();
  }
});

test("fileStore() ends at a flipped bit, and never gives a value that was not written", async () => {
  await using folder = await openFolder();
  const store = fileStore(folder.file);
  await store.load();
  for (let n = 0; n < 5; n++) await store.write(change({ [`k${n}`]: n }));
  await store.close();
  const whole = await readFile(folder.file);
  for (let at = 0; at < whole.length; at++) {
    const flipped = Uint8Array.from(whole);
    flipped[at]! ^= 1 << (at % 8);
    await writeFile(folder.file, flipped);
    const damaged = fileStore(folder.file, { sync: false });
    const values = [...(await damaged.load())];
    assert.ok(values.length < 5, `byte ${at}`);
    assert.deepEqual(values, values.map((_, n) => [`k${n}`, n]));
    await damaged.close();
  }
});

test("fileStore() stays small however much is written", async () => {
  await using folder = await openFolder();
  const store = fileStore(folder.file, { sync: false });
  await store.load();
  for (let n = 0; n < 3000; n++) await store.write(change({ place: { offset: n, fill: "x".repeat(1000) } }));
  assert.ok((await stat(folder.file)).size < 1.2 * 1024 * 1024, "a megabyte of what was superseded, at the most");
  await store.close();
  await writeFile(`${folder.file}.new`, "half of it"); // it was killed while it did this
  const again = fileStore(folder.file);
  assert.equal(((await again.load()).get("place") as { offset: number }).offset, 2999);
  await again.close();
});

test("a client whose store fails says so once and goes on from memory", { skip: process.getuid === undefined && "the full device is Linux's" }, async () => {
  await using gateway = await openGateway();
  await using client = openClient(gateway, { id: "d-1", store: fullStore() });
  const problems: ClientError[] = [];
  client.on("problem", (error) => problems.push(error));
  for (let n = 0; n < 5; n++) await client.publish({ type: "status", payload: n });
  assert.deepEqual(problems.map(({ code }) => code), ["IO"]);
  await assert.rejects(client.saved(), (error: ClientError) => error.code === "IO");
  assert.equal(gateway.seen.length, 5);
});

/** A store on a disk that is always full. */
function fullStore() {
  return {
    load: async () => new Map<string, unknown>(),
    async write() {
      const file = await open("/dev/full", "w");
      try {
        await file.writeFile("x");
      } finally {
        await file.close();
      }
    },
    close: async () => {},
  };
}

test("a client whose store cannot be read says so and sends all the same", async () => {
  await using gateway = await openGateway();
  await using folder = await openFolder();
  const client = createClient({ url: gateway.urls.ws, id: "d-1", token: "d-1", store: fileStore(join(folder.file, "no-such-folder", "x")) });
  const problems: string[] = [];
  client.on("problem", ({ code }) => problems.push(code));
  await client.publish({ type: "status", payload: 1 });
  assert.ok(problems.every((code) => code === "IO") && problems.length >= 1);
  await client.close();
});

test("fileStore() that was emptied from outside is empty", async () => {
  await using folder = await openFolder();
  const store = fileStore(folder.file);
  await store.load();
  await store.write(change({ a: 1 }));
  await store.close();
  await truncate(folder.file);
  const again = fileStore(folder.file);
  assert.equal((await again.load()).size, 0);
  await again.close();
});
