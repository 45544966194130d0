import assert from "node:assert/strict";
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { createPrivateKey } from "node:crypto";
import { once } from "node:events";
import { writeFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { freePort, until } from "@busbar/core/testkit";
import { certificateBytes, describeCertificate } from "../plugins/opcua/certificate-text.ts";
import { openOwnCertificate } from "../plugins/opcua/own-certificate.ts";
import { openRig, temporaryFolder, type ClientRig } from "../plugins/opcua/testing/client-rig.ts";

/*
 * The OPC UA client against a server that no one of us wrote: open62541 (test/peers/opcua-server.c), where this machine has it and a C compiler.
 */
const folder = temporaryFolder();
const binary = join(folder, "opcua-server");
const missing = compile();
const skip = missing === undefined ? false : `no open62541 here: ${missing}`;
const program = { skip };

/** Compiles the server. Returns why it cannot be, if it cannot. */
function compile(): string | undefined {
  try {
    const flags = execFileSync("pkg-config", ["--cflags", "--libs", "open62541"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).replaceAll("-l/", "/"); // its .pc file writes paths of libraries as names
    execFileSync("cc", ["-O1", "-o", binary, fileURLToPath(new URL("peers/opcua-server.c", import.meta.url)), ...flags.trim().split(/\s+/)], { stdio: ["ignore", "ignore", "pipe"] });
    return undefined;
  } catch (error) {
    return (error as Error).message.split("\n")[0];
  }
}

interface Peer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly process: ChildProcess;
}

/** Starts the server and waits until it listens. */
async function start(port: number, ...more: readonly string[]): Promise<Peer> {
  const child = spawn(binary, [String(port), ...more], { stdio: ["pipe", "pipe", "ignore"] });
  let said = "";
  child.stdout.on("data", (chunk: Buffer) => void (said += chunk.toString()));
  await until("the server listens", () => said.includes("ready") || child.exitCode !== null);
  assert.equal(child.exitCode, null, "open62541 did not start");
  return {
    url: `opc.tcp://127.0.0.1:${port}`, port, process: child,
    async [Symbol.asyncDispose]() { // of one that stands still, too
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

const tank = { under: "/Objects/tank", device: "tank" };
const levels = (rig: ClientRig): readonly number[] => rig.readings("level").filter(({ value }) => value !== null).map(({ value }) => value as number);

async function ask({ gateway }: ClientRig, payload: unknown, msgid: string): Promise<unknown> {
  const answer = await gateway.bus.request({ type: "command", from: "anna", to: "tank", msgid, payload, qos: 1 }, { signal: AbortSignal.timeout(20_000) });
  const { status, result } = answer.payload as { readonly status: string; readonly result: { readonly code?: string } };
  return status === "ok" ? result : result.code;
}

test("opcua browses, watches, polls, writes and calls at open62541", program, async () => {
  await using peer = await start(await freePort());
  await using rig = await openRig({
    url: peer.url, allowWrites: true, folders: [tank], nodes: [{ node: "nsu=urn:busbar:test:tank;s=tank.target", tag: "polled", poll: 50 }],
    methods: [{ name: "twice", object: "nsu=urn:busbar:test:tank;s=tank", method: "nsu=urn:busbar:test:tank;s=tank.twice", device: "tank" }],
  }, folder);
  await until("everything is there", () => levels(rig).length > 5 && Array.from({ length: 25 }, (_, at) => `extra-${String(at).padStart(2, "0")}`).every((tag) => rig.readings(tag).length === 1));
  const seen = levels(rig);
  assert.ok(seen.every((value, at) => at === 0 || value > seen[at - 1]!), `values are out of order: ${seen}`); // a busy server may leave one out when it samples
  assert.ok(rig.readings("level").every(({ timestamp, quality }) => quality === "good" && Math.abs(timestamp - Date.now()) < 60_000));
  assert.deepEqual(rig.readings("numbers")[0]!.value, [1, 2, 3]);
  assert.deepEqual(await ask(rig, { set: { target: 61.5 } }, "m1"), { target: 61.5 });
  await until("the set point is watched and polled", () => rig.readings("target").at(-1)?.value === 61.5 && rig.readings("polled").at(-1)?.value === 61.5);
  assert.equal(await ask(rig, { set: { level: 1 } }, "m2"), "READ_ONLY");
  assert.equal(await ask(rig, { set: { target: "hot" } }, "m3"), "WRONG_TYPE");
  assert.deepEqual(await ask(rig, { call: "twice", arguments: [21] }, "m4"), { result: 42 });
});

test("opcua signs, encrypts and logs in at open62541", program, async () => {
  const pki = join(folder, "open62541");
  const own = await openOwnCertificate(pki, { applicationUri: "urn:busbar:test:open62541", now: Date.now() });
  const certificate = certificateBytes(readFileSync(own.file))!;
  writeFileSync(join(pki, "cert.der"), certificate);
  writeFileSync(join(pki, "key.der"), createPrivateKey(readFileSync(join(pki, "own/private/private_key.pem"))).export({ type: "pkcs1", format: "der" }));
  await using peer = await start(await freePort(), join(pki, "cert.der"), join(pki, "key.der"));
  const { sha256 } = describeCertificate(certificate);
  for (const policy of ["Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"]) {
    await using rig = await openRig({ url: peer.url, security: { policy, mode: "SignAndEncrypt" }, trustedServers: [sha256], user: { name: "operator", password: "a long password" }, folders: [tank], timeout: 10_000 }, folder);
    await until(`values come with ${policy}`, () => levels(rig).length > 1, { show: () => rig.gateway.log.filter(({ level }) => level !== "debug") });
    assert.ok(rig.gateway.log.some(({ message, fields }) => message === "connected to the server" && fields["security"] === policy && fields["mode"] === "SignAndEncrypt"));
  }
  await using stranger = await openRig({ url: peer.url, security: { policy: "auto" }, trustedServers: [sha256], user: { name: "operator", password: "wrong" }, folders: [tank], timeout: 10_000 }, folder);
  assert.match(String((await stranger.event("connection"))["reason"]), /the server refuses the user/);
});

test("opcua outlives an open62541 that is killed and started again", program, async () => {
  const port = await freePort();
  await using first = await start(port);
  await using rig = await openRig({ url: first.url, folders: [tank] }, temporaryFolder());
  await until("values come", () => levels(rig).length > 3);
  await first[Symbol.asyncDispose]();
  await until("all is bad", () => rig.readings("level").at(-1)?.code === "BadNoCommunication" && rig.readings("extra-24").at(-1)?.code === "BadNoCommunication");
  await using second = await start(port);
  const gap = await rig.event("gap");
  assert.equal(gap["subscriptions"], "recreated");
  await until("all is good", () => rig.readings("level").at(-1)?.quality === "good" && rig.readings("extra-24").at(-1)?.quality === "good");
  assert.equal(second.port, port);
});

test("opcua keeps its subscriptions when open62541 stands still for longer than it may", program, async () => {
  await using peer = await start(await freePort());
  await using rig = await openRig({ url: peer.url, folders: [{ ...tank, queue: 1000 }], timeout: 300 }, temporaryFolder());
  await until("values come", () => levels(rig).length > 3);
  process.kill(peer.process.pid!, "SIGSTOP");
  await until("it is given up", () => rig.events("connection").some(({ state }) => state === "down"));
  process.kill(peer.process.pid!, "SIGCONT"); // a second kill() of the child does nothing on Deno
  const gap = await rig.event("gap");
  assert.equal(gap["subscriptions"], "kept");
  const from = levels(rig).length;
  await until("values come again", () => levels(rig).length > from + 5);
  assert.equal(rig.readings("extra-07").at(-1)!.quality, "good");
  assert.equal(rig.gateway.metric("busbar_opcua_reports_missed_total"), 0);
});

test("opcua reads the history of open62541 for the time in which the gateway was stopped", program, async () => {
  await using peer = await start(await freePort());
  const own = temporaryFolder();
  const config = { url: peer.url, nodes: [{ node: "nsu=urn:busbar:test:tank;s=tank.level", tag: "level" }], history: { page: 7 } };
  const before: number[] = [];
  {
    await using rig = await openRig(config, own);
    await until("values come", () => levels(rig).length > 3);
    before.push(...levels(rig));
    await rig.gateway.stop();
    before.push(...levels(rig).slice(before.length));
  }
  await new Promise((resolve) => setTimeout(resolve, 1_200)); // what the server does meanwhile is what is missed
  await using rig = await openRig(config, own);
  const filled = await rig.event("gap-filled");
  assert.ok((filled["values"] as number) > 15, JSON.stringify(filled));
  await until("live values come", () => rig.readings("level").filter(({ late }) => !late).length > 3);
  const late = rig.readings("level").filter((one) => one.late).map(({ value }) => value as number);
  assert.ok(late.every((value, at) => at === 0 || value === late[at - 1]! + 1), `values are missing: ${late}`);
  assert.ok(late[0]! - before.at(-1)! <= 2, `${late[0]} comes after ${before.at(-1)}`);
});
