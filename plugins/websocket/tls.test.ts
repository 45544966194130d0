import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openListener } from "./testing/listener.ts";

const withoutOpenssl = spawnSync("openssl", ["version"]).status !== 0 && "the program openssl is missing";
const json = ["busbar.v1.json"];

let folder = "";

/** Makes a key and a certificate of that name: signed by itself, or by another pair of the folder. */
function makePair(name: string, subject: string, issuer?: string): void {
  const openssl = (...args: string[]): void => void execFileSync("openssl", args, { cwd: folder, stdio: "ignore" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", `${name}.key`, "-subj", subject];
  if (issuer === undefined) return openssl("req", "-x509", ...key, "-out", `${name}.pem`, "-days", "2", "-addext", "subjectAltName=IP:127.0.0.1");
  openssl("req", ...key, "-out", `${name}.csr`);
  openssl("x509", "-req", "-in", `${name}.csr`, "-CA", `${issuer}.pem`, "-CAkey", `${issuer}.key`, "-CAcreateserial", "-out", `${name}.pem`, "-days", "2", "-extfile", "client.ext"); // with extensions: Deno takes no certificates of version 1
}

const pair = async (name: string): Promise<{ readonly cert: Buffer; readonly key: Buffer; readonly ca: Buffer }> => ({
  cert: await readFile(join(folder, `${name}.pem`)),
  key: await readFile(join(folder, `${name}.key`)),
  ca: await readFile(join(folder, "server.pem")),
});

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "busbar-websocket-"));
  if (withoutOpenssl) return;
  makePair("server", "/CN=localhost");
  await writeFile(join(folder, "client.ext"), "extendedKeyUsage=clientAuth\nsubjectAltName=DNS:plc-101.example\n");
  makePair("plc", "/CN=plc-101", "server");
  makePair("stranger", "/CN=plc-101");
});
after(() => rm(folder, { recursive: true }));

const open = () => openListener({ authTimeout: "1s" }, { cwd: folder, http: { tls: { certFile: "server.pem", keyFile: "server.key", caFile: "server.pem" } } });

test("websocket serves wss, with a token where there is no client certificate", { skip: withoutOpenssl }, async () => {
  await using listener = await open();
  assert.match(listener.url, /^wss:/);
  const client = await listener.connect("d-1", json, { ca: (await pair("server")).ca });
  await client.subscribe("status/#");
  listener.gateway.bus.publish({ type: "status", from: "d-2", payload: "x".repeat(200_000) });
  assert.equal(((await client.next("status"))["payload"] as string).length, 200_000);
});

test("websocket lets in who shows a client certificate, without an auth frame", { skip: withoutOpenssl }, async () => {
  await using listener = await open();
  const arrived = listener.gateway.next("status/plc-101");
  const client = await listener.connect(undefined, json, await pair("plc"));
  client.send({ type: "status", payload: 1 });
  assert.equal((await arrived).from, "plc-101");
});

test("websocket wants a token of who shows a certificate that no authority of ours has signed", { skip: withoutOpenssl }, async () => {
  await using listener = await open();
  const client = await listener.connect(undefined, json, await pair("stranger"));
  client.send({ type: "status", payload: 1 });
  assert.equal((await client.closed).code, 4401);
});

test("websocket does not let a foreign page use its visitor's certificate", { skip: withoutOpenssl }, async () => {
  await using listener = await open();
  const visitor = await pair("plc");
  await assert.rejects(listener.connect(undefined, json, { ...visitor, origin: "https://evil.example" }), /403/);
  const own = await listener.connect(undefined, json, { ...visitor, origin: listener.url.replace(/^wss(:\/\/[^/]*).*/, "https$1") });
  await own.settled();
});
