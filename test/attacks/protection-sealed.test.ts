import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createClient, type Client, type ClientError, type SealingKey } from "@busbar/client";
import { createSealingKey, publicKeyOf, sealPayload } from "@busbar/client/sealing";
import { tcp } from "@busbar/client/tcp";
import { commandFor, envelopeJson, envelopeProto } from "@busbar/core";
import { PeerDriver, until } from "@busbar/core/testkit";
import { createRig, type Rig } from "../faults/rig.ts";
import { openPeer } from "../support/open-peer.ts";

type Json = Record<string, unknown>;
const secret = "plaintext-that-nobody-else-may-see";

/** What a thief or the gateway itself could do to a sealed message, handed to a reader that has the key. */
class Thief {
  readonly key: SealingKey;
  readonly problems: ClientError[] = [];
  readonly got: unknown[] = [];
  readonly #driver: PeerDriver;
  #count = 0;

  private constructor(key: SealingKey, driver: PeerDriver, reader: Client) {
    this.key = key;
    this.#driver = driver;
    reader.on("problem", (problem) => this.problems.push(problem));
  }

  static async open(url: string, tokenFor: (id: string) => Promise<string>): Promise<{ readonly thief: Thief; readonly reader: Client }> {
    const key = await createSealingKey({ kid: "reader-1" });
    const driver = new PeerDriver(await openPeer(url, envelopeJson), envelopeJson);
    driver.auth(await tokenFor("home-7"), "home-7");
    await driver.next("auth_response");
    const reader = createClient({ url, id: "reader", token: await tokenFor("reader"), open: { keys: [key] } });
    const thief = new Thief(key, driver, reader);
    await reader.subscribe("#", ({ payload, type }) => void (type === "status" || type === "event" ? thief.got.push(payload) : undefined)).ready;
    return { thief, reader };
  }

  /** A sealed message as its device says it. */
  async message(fields: Json = {}): Promise<Json & { payload: { $sealed: Json & { recipients: Json[] } } }> {
    const envelope = { from: "home-7", to: "server", type: "status", msgid: `m-${++this.#count}`, timestamp: 1_700_000_000_000, qos: 1, ...fields };
    const other = publicKeyOf(await createSealingKey({ kid: "reader-2" }));
    const sealed = await sealPayload({ secret }, { binding: envelope, recipients: [publicKeyOf(this.key), other] });
    return { ...envelope, payload: structuredClone(sealed) as never };
  }

  /** Sends it. Resolves with what the reader says to it: the payload, or why it does not open. */
  async send(envelope: Json): Promise<unknown> {
    const [got, problems] = [this.got.length, this.problems.length];
    this.#driver.sendBytes(new TextEncoder().encode(JSON.stringify(envelope)));
    assert.equal((await this.#driver.next()).type, "ack");
    await until("a word of the reader", () => this.got.length > got || this.problems.length > problems);
    return this.got.length > got ? this.got.at(-1) : this.problems.at(-1)!.message;
  }
}

describe("a sealed payload in the hands of a thief", () => {
  let rig: Rig;
  let thief: Thief;
  let reader: Client;
  before(async () => {
    rig = await createRig({ runtime: { name: "the one under test", command: commandFor } });
    ({ thief, reader } = await Thief.open((await rig.start().ready).get("WebSocket")!, (id) => rig.tokenFor(id)));
  });
  after(async () => {
    await reader?.close();
    await rig[Symbol.asyncDispose]();
  });

  test("as it was sealed it opens", async () => {
    assert.deepEqual(await thief.send(await thief.message()), { secret });
  });

  for (const [field, value] of [["from", "home-7/door"], ["to", "lamp-1"], ["type", "event"], ["msgid", "another"], ["timestamp", 1_700_000_000_001]] as const) {
    test(`moved to another ${field} it does not open`, async () => {
      assert.match(String(await thief.send({ ...(await thief.message()), [field]: field === "msgid" ? "another-1" : value })), /sealed for another message/);
    });
    test(`moved to another ${field}, with its binding rewritten, it does not open`, async () => {
      const message = await thief.message();
      const { from, to, type, msgid, timestamp } = { ...message, [field]: value } as Json;
      message.payload.$sealed["aad"] = Buffer.from(JSON.stringify({ from, msgid, timestamp, to, type })).toString("base64url");
      assert.match(String(await thief.send({ ...message, [field]: value })), /it was altered/);
    });
  }

  test("a bit flipped in any of its parts keeps it shut", async () => {
    for (const part of ["protected", "iv", "ciphertext", "tag", "aad"]) {
      const message = await thief.message();
      const bytes = Buffer.from(message.payload.$sealed[part] as string, "base64url");
      bytes[bytes.length >> 1]! ^= 4;
      message.payload.$sealed[part] = bytes.toString("base64url");
      assert.match(String(await thief.send(message)), /Cannot open a sealed payload/, part);
    }
    const message = await thief.message();
    const wrapped = Buffer.from(message.payload.$sealed.recipients[0]!["encrypted_key"] as string, "base64url");
    wrapped[0]! ^= 1;
    message.payload.$sealed.recipients[0]!["encrypted_key"] = wrapped.toString("base64url");
    assert.match(String(await thief.send(message)), /it was altered/);
  });

  test("the reader taken out of the list, or put behind another's key, does not open it", async () => {
    const stripped = await thief.message();
    stripped.payload.$sealed.recipients.shift();
    assert.match(String(await thief.send(stripped)), /it is for reader-2, and the keys here are reader-1/);
    const swapped = await thief.message();
    const [one, two] = swapped.payload.$sealed.recipients as [Json, Json];
    [one["encrypted_key"], two["encrypted_key"]] = [two["encrypted_key"], one["encrypted_key"]];
    assert.match(String(await thief.send(swapped)), /it was altered/);
    const renamed = await thief.message();
    (renamed.payload.$sealed.recipients[1]!["header"] as Json)["kid"] = "reader-1";
    renamed.payload.$sealed.recipients.shift();
    assert.match(String(await thief.send(renamed)), /it was altered/);
    const none = await thief.message();
    none.payload.$sealed.recipients = [];
    assert.match(String(await thief.send(none)), /it is for nobody/);
    const crowd = await thief.message();
    crowd.payload.$sealed.recipients = Array<Json>(500).fill(crowd.payload.$sealed.recipients[0]!);
    assert.match(String(await thief.send(crowd)), /it is not a JWE/);
  });

  for (const [name, header] of [
    ["none", { alg: "none" }], ["dir", { alg: "dir" }], ["RSA1_5", { alg: "RSA1_5" }], ["A128KW", { alg: "A128KW" }], ["plain ECDH-ES", { alg: "ECDH-ES" }],
    ["PBES2 with two billion rounds", { alg: "PBES2-HS256+A128KW", p2c: 2_000_000_000, p2s: "AAAAAAAAAAAAAAAAAAAAAA" }], ["rounds beside the right one", { p2c: 2_000_000_000 }], ["a critical extension", { crit: ["b64"], b64: false }], ["a key to be fetched", { jku: "http://127.0.0.1:1/" }],
  ] as const) {
    test(`an algorithm of the thief's choice is refused before anything is computed: ${name}`, async () => {
      const message = await thief.message();
      Object.assign(message.payload.$sealed.recipients[0]!["header"] as Json, header);
      assert.match(String(await thief.send(message)), /each recipient's header must be/);
    });
  }

  for (const [name, more] of [["a zip bomb", { zip: "DEF" }], ["an algorithm for all", { alg: "dir" }], ["other encryption", { enc: "A128CBC-HS256" }], ["no encryption", { enc: "none" }], ["a critical extension", { crit: ["exp"], exp: 1 }]] as const) {
    test(`a protected header of the thief's making is refused before anything is computed: ${name}`, async () => {
      const message = await thief.message();
      message.payload.$sealed["protected"] = Buffer.from(JSON.stringify({ enc: "A256GCM", cty: "json", ...more })).toString("base64url");
      assert.match(String(await thief.send(message)), /its protected header must be/);
    });
  }

  test("what only looks sealed is told of and passed by, and the reader goes on", async () => {
    for (const sealed of [null, 1, "x", [], {}, { recipients: {} }, { protected: "e30", recipients: [null], aad: "", iv: "", ciphertext: "", tag: "" }, { protected: "!", recipients: [], aad: "", iv: "", ciphertext: "", tag: "" }, { ...(await thief.message()).payload.$sealed, unprotected: { zip: "DEF" } }]) {
      assert.match(String(await thief.send({ ...(await thief.message()), payload: { $sealed: sealed } })), /Cannot open a sealed payload/);
    }
    assert.deepEqual(await thief.send(await thief.message()), { secret });
  });
});

test("the gateway, its journal, its log, its API and its subscribers without a key never see what is sealed; readers get it live, from the past, after a kill, over every transport", { timeout: 180_000 }, async () => {
  await using rig = await createRig({ runtime: { name: "the one under test", command: commandFor }, gateway: { log: { level: "debug" } } });
  const key = await createSealingKey();
  const seal = { recipients: [publicKeyOf(key)] };
  const logs: string[] = [];
  const heard = (text: string): void => void logs.push(text);
  const first = rig.start({ heard });
  const urls = await first.ready;
  const clientOf = async (at: typeof urls, id: string, over: "ws" | "tcp", open?: { readonly keys: readonly SealingKey[] }): Promise<Client> =>
    createClient({ url: over === "ws" ? at.get("WebSocket")! : at.get("TCP protobuf (envelope)")!, id, token: await rig.tokenFor(id), ...(over === "tcp" ? { transport: tcp() } : {}), ...(open && { open }) });
  const device = await clientOf(urls, "home-7", "ws");
  const proto = await clientOf(urls, "home-8", "tcp");
  const live = await clientOf(urls, "reader-live", "tcp", { keys: [key] });
  const got: unknown[] = [];
  await live.subscribe("status/#", ({ payload }) => void got.push(payload)).ready;
  await device.publish({ type: "status", payload: { secret, n: 1 }, seal, retain: true, msgid: "same" });
  await device.publish({ type: "status", payload: { secret, n: 1 }, seal, retain: true, msgid: "same" });
  await proto.publish({ type: "status", payload: { secret, n: 2 }, seal: { ...seal, form: "binary" }, retain: true });
  await proto.publish({ type: "status", payload: new TextEncoder().encode(secret), seal, qos: 2 });
  const expected = [{ secret, n: 1 }, { secret, n: 2 }, new TextEncoder().encode(secret)];
  await until("three messages", () => got.length === 3);
  assert.deepEqual(got, expected);
  for (const client of [device, proto, live]) await client.close();

  const headers = { authorization: `Bearer ${await rig.tokenFor("app")}` };
  const seenBy: string[] = [];
  for (const path of ["/metrics", "/api/messages?topic=%23&limit=1000", "/api/audit", "/api/devices", "/api/devices/home-7", "/api/devices/home-8", "/api/series?device=home-7&tag=%24sealed&since=0&until=9000000000000&points=10", "/api/readers"]) {
    const answer = await fetch(urls.get("HTTP API")! + path, { headers });
    assert.ok(answer.status < 500, `${path} ${answer.status}`);
    seenBy.push(await answer.text());
  }
  for (const [url, codec] of [[urls.get("WebSocket")!, envelopeJson], [urls.get("WebSocket")!, envelopeProto], [urls.get("TCP protobuf (envelope)")!, envelopeProto]] as const) {
    const keyless = new PeerDriver(await openPeer(url, codec), codec);
    keyless.auth(await rig.tokenFor(`keyless-${codec.name}`), `keyless-${codec.name}`);
    await keyless.next("auth_response");
    keyless.send({ kind: "subscribe", topic: "status/#", qos: 0, since: 0 });
    for (let n = 0; n < 3; n++) {
      const { payload } = await keyless.next("status");
      seenBy.push(payload instanceof Uint8Array ? Buffer.from(payload).toString("latin1") : JSON.stringify(payload));
    }
    keyless.destroy();
  }
  await first.kill();

  const second = rig.start({ heard });
  const again = await second.ready;
  for (const over of ["ws", "tcp"] as const) {
    const past: unknown[] = [];
    const later = await clientOf(again, `reader-${over}`, over, { keys: [key] });
    later.subscribe("status/#", ({ payload }) => void past.push(payload), { since: 0 });
    await until("the past", () => past.length === 3);
    assert.deepEqual(past, expected);
    const retained: unknown[] = [];
    const fresh = await clientOf(again, `fresh-${over}`, over, { keys: [key] });
    fresh.subscribe("status/#", ({ payload }) => void retained.push(payload));
    await until("retained values", () => retained.length === 2);
    assert.deepEqual(retained, expected.slice(0, 2));
    await later.close();
    await fresh.close();
  }
  assert.equal(await second.stop(), 0);
  assert.ok(logs.join("").includes("home-7"));
  for (const name of await readdir(rig.folder, { recursive: true, withFileTypes: true })) if (name.isFile()) seenBy.push(await readFile(join(name.parentPath, name.name), "latin1"));
  const needles = [secret, Buffer.from(secret).toString("base64").slice(0, 40), Buffer.from(secret).toString("hex"), Buffer.from(`{"secret":"${secret}`).toString("base64").slice(0, 40)];
  for (const text of [...seenBy, logs.join("")]) for (const needle of needles) assert.ok(!text.includes(needle), needle);
});

test("the buffer of a device, stolen with its disk, holds no plaintext", async () => {
  const folder = await mkdtemp(join(tmpdir(), "busbar-stolen-"));
  try {
    const { fileStore } = await import("@busbar/client/file-store");
    const key = await createSealingKey();
    const device = createClient({ url: "ws://127.0.0.1:1/ws", id: "home-7", token: "none", store: fileStore(join(folder, "device.log")), reconnect: { min: 10_000 } });
    device.publish({ type: "status", payload: { secret }, seal: { recipients: [publicKeyOf(key)] } }).catch(() => {});
    await device.saved();
    await device.close();
    const files = await readdir(folder);
    assert.ok(files.length > 0);
    for (const file of files) assert.ok(!(await readFile(join(folder, file), "latin1")).includes(secret));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
