import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { connect, type TLSSocket } from "node:tls";
import { promisify } from "node:util";
import { after, describe, it } from "node:test";
import { WebSocket } from "ws";
import { openFolder, runBusbar, startGateway } from "../cli/testing/busbar.ts";
import { makeRequest } from "../plugins/auth-jwt/testing/make-request.ts";
import { TcpPeer } from "../plugins/tcp-protobuf/testing/tcp-peer.ts";
import { within } from "./attacks/target/within.ts";

/* `busbar cert`, and real TLS connections with what it makes: wss and protobuf over TCP. */

const config = `plugins:
  auth-jwt:
    keyFile: signing.key
    roles:
      admin: { publish: ["#"], subscribe: ["#"] }
      device: { publish: ["status/{id}/#"] }
    certificates:
      home-7/lamp: { id: home-7/lamp, roles: [device] }
    enrolment:
      ca: { certFile: certs/ca.crt, keyFile: certs/ca.key, passphrase: "\${env:BUSBAR_CA_PASSPHRASE}" }
  http: { port: 0, tls: { certFile: certs/server.crt, keyFile: certs/server.key, caFile: certs/ca.crt } }
  websocket: {}
  tcp-protobuf: { port: 0, tls: { certFile: certs/server.crt, keyFile: certs/server.key, caFile: certs/ca.crt } }
`;
const passphrase = "open sesame, please";
const hasOpenssl = await promisify(execFile)("openssl", ["version"]).then(() => true, () => false);

describe("busbar cert", () => {
  let opening: ReturnType<typeof openFolder> | undefined;
  const folder = () => (opening ??= openFolder({ "busbar.yaml": config }));
  after(async () => await (await opening)?.[Symbol.asyncDispose]());
  const cert = async (...words: string[]) => runBusbar(["cert", ...words], { cwd: (await folder()).path, env: { BUSBAR_CA_PASSPHRASE: passphrase } });
  const file = async (name: string): Promise<string> => join((await folder()).path, "certs", name);

  it("makes an authority, a server's and a device's certificate, and says what to paste", async () => {
    const made = [await cert("ca"), await cert("server", "--host", "gateway.example"), await cert("device", "home-7/lamp")];
    assert.deepEqual(made.map(({ code, stderr }) => [code, stderr]), [[0, ""], [0, ""], [0, ""]]);
    assert.match(made[0]!.stdout, /ca: \{ certFile: certs\/ca\.crt, keyFile: certs\/ca\.key, passphrase: "\$\{env:BUSBAR_CA_PASSPHRASE\}" \}/);
    assert.match(made[1]!.stdout, /tls: \{ certFile: certs\/server\.crt, keyFile: certs\/server\.key, caFile: certs\/ca\.crt \}/);
    assert.match(made[2]!.stdout, /home-7\/lamp: \{ id: home-7\/lamp, roles: \[device\] \}/);
    assert.match(await readFile(await file("ca.key"), "utf8"), /^-----BEGIN ENCRYPTED PRIVATE KEY-----/);
    if (process.platform !== "win32") for (const key of ["ca.key", "server.key", "devices/home-7+lamp.key"]) assert.equal((await stat(await file(key))).mode & 0o777, 0o600, key);
  });

  it("never replaces what is there without --force, nor signs without the passphrase", async () => {
    const before = await readFile(await file("ca.key"));
    for (const words of [["ca"], ["server"], ["device", "home-7/lamp"]]) {
      const { code, stderr } = await cert(...words);
      assert.deepEqual([code, /is there already; --force replaces it/.test(stderr)], [74, true], stderr);
    }
    assert.deepEqual(await readFile(await file("ca.key")), before);
    const cwd = (await folder()).path;
    for (const [env, said] of [[{}, /has a passphrase/], [{ BUSBAR_CA_PASSPHRASE: "wrong" }, /its passphrase is another/]] as const) {
      const { code, stderr } = await runBusbar(["cert", "device", "x"], { cwd, env });
      assert.deepEqual([code, said.test(stderr)], [78, true], stderr);
    }
  });

  it("makes what openssl verifies, each for its own use", { skip: hasOpenssl ? false : "there is no openssl" }, async () => {
    const verify = async (purpose: string, name: string): Promise<boolean> =>
      promisify(execFile)("openssl", ["verify", "-x509_strict", "-purpose", purpose, "-CAfile", await file("ca.crt"), await file(name)]).then(() => true, () => false);
    assert.deepEqual([await verify("sslserver", "server.crt"), await verify("sslclient", "devices/home-7+lamp.crt"), await verify("sslclient", "server.crt"), await verify("sslserver", "devices/home-7+lamp.crt")], [true, true, false, false]);
  });

  it("signs a device's request, and refuses another's", async () => {
    const cwd = (await folder()).path;
    await writeFile(join(cwd, "fan.csr"), (await makeRequest("home-7/fan")).csr);
    assert.equal((await cert("device", "home-7/fan", "--csr", "fan.csr")).code, 0);
    await assert.rejects(stat(await file("devices/home-7+fan.key")), { code: "ENOENT" });
    const { code, stderr } = await cert("device", "home-8", "--csr", "fan.csr");
    assert.deepEqual([code, /its CN is not the id/.test(stderr)], [64, true], stderr);
  });

  it("lists them, and renews one for the same key and names", async () => {
    const lines = (await cert("list", "--json")).stdout.trimEnd().split("\n").map((line) => JSON.parse(line) as { name: string; fingerprint: string });
    assert.deepEqual(lines.map(({ name }) => name), ["ca", "server", "devices/home-7+fan", "devices/home-7+lamp"]);
    const key = await readFile(await file("server.key"));
    assert.equal((await cert("renew", "server")).stdout, `renewed ${join("certs", "server.crt")}\n`);
    assert.deepEqual(await readFile(await file("server.key")), key);
    const after = JSON.parse((await cert("list", "--json")).stdout.split("\n")[1]!) as { fingerprint: string };
    assert.notEqual(after.fingerprint, lines[1]!.fingerprint);
    assert.equal((await cert("renew")).stdout, "no certificate ends within 30 days\n");
    assert.equal((await cert("renew", "ca")).code, 78);
  });

  it("the certificates carry real connections: wss and TCP, the device by its certificate, and one that it enrols for", async () => {
    const cwd = (await folder()).path;
    process.env["BUSBAR_CA_PASSPHRASE"] = passphrase;
    await using gateway = await startGateway(cwd);
    delete process.env["BUSBAR_CA_PASSPHRASE"];
    const ca = await readFile(await file("ca.crt"));
    const device = { cert: await readFile(await file("devices/home-7+lamp.crt")), key: await readFile(await file("devices/home-7+lamp.key")) };
    const https = new URL(gateway.urls.get("HTTP API")!);
    const tcp = [...gateway.urls.values()].find((url) => url.startsWith("tls:"))!;

    // TCP: whoever has the certificate is in without another word.
    await using peer = await TcpPeer.connect(tcp, { ca, ...device, servername: "localhost" });
    peer.say({ case: "ping", value: {} });
    assert.equal((await within(peer.hear(), "a pong over TCP")).case, "pong");

    // wss: the same device; the server is who it says it is, for a client that checks.
    const socket = new WebSocket(`wss://localhost:${https.port}/ws`, ["busbar.v1.json"], { ca, ...device, perMessageDeflate: false });
    const pong = new Promise((resolve, reject) => {
      socket.once("message", (data: Buffer) => resolve(JSON.parse(data.toString())));
      socket.once("error", reject);
      socket.once("open", () => socket.send('{"type":"ping"}'));
    });
    assert.deepEqual(await within(pong, "a pong over wss"), { type: "pong" });
    socket.terminate();
    await assert.rejects(within(handshake(https, {}), "a handshake without the authority"), /self[- ]signed|unable to (?:verify|get)|UnknownIssuer|invalid peer certificate/i);

    // A device enrols for a certificate of its own over the same server, and renews it with that certificate.
    const { stdout } = await runBusbar(["token", "anna", "--role", "admin", "--user"], { cwd, env: { BUSBAR_CA_PASSPHRASE: passphrase } });
    const offered = await request(https, { ca, path: "/api/enrolments", token: stdout.trim(), body: { id: "home-9" } });
    assert.equal(offered.status, 201, offered.text);
    const { csr, key } = await makeRequest("home-9");
    const enrolled = await request(https, { ca, path: "/api/enrol", body: { token: (JSON.parse(offered.text) as { token: string }).token, csr } });
    assert.equal(enrolled.status, 201, enrolled.text);
    const own = { cert: (JSON.parse(enrolled.text) as { certificate: string }).certificate, key };
    await using enrolledPeer = await TcpPeer.connect(tcp, { ca, ...own, servername: "localhost" });
    enrolledPeer.say({ case: "ping", value: {} });
    assert.equal((await within(enrolledPeer.hear(), "a pong for the enrolled device")).case, "pong");
    const renewed = await request(https, { ca, ...own, path: "/api/enrol/renew", body: { csr: (await makeRequest("home-9")).csr } });
    assert.equal(renewed.status, 201, renewed.text);
    const revoked = await request(https, { ca, path: "/api/revocations", token: stdout.trim(), body: { kind: "device", name: "home-9" } });
    assert.equal(revoked.status, 200, revoked.text);
    await within(enrolledPeer.closed, "the revoked device is out");
    assert.equal((await request(https, { ca, ...own, path: "/api/enrol/renew", body: { csr } })).status, 401);
  });
});

interface Ask {
  readonly ca?: Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  readonly path?: string;
  readonly token?: string;
  readonly body?: object;
}

async function handshake({ port }: URL, { ca, cert, key }: Ask): Promise<TLSSocket> {
  return await new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port: Number(port), servername: "localhost", ...(ca && { ca }), ...(cert && { cert, key }) });
    socket.once("secureConnect", () => resolve(socket));
    socket.once("error", reject);
  });
}

/** One request over a TLS connection of its own: fetch takes neither an authority nor a certificate on both runtimes. */
async function request(url: URL, ask: Ask): Promise<{ readonly status: number; readonly text: string }> {
  const socket = await within(handshake(url, ask), `a handshake for ${ask.path}`);
  const body = JSON.stringify(ask.body);
  const head = [`POST ${ask.path} HTTP/1.1`, "host: localhost", "content-type: application/json", `content-length: ${Buffer.byteLength(body)}`, "connection: close", ...(ask.token === undefined ? [] : [`authorization: Bearer ${ask.token}`])];
  const chunks: Buffer[] = [];
  const ended = new Promise<void>((resolve, reject) => {
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.once("end", resolve);
    socket.once("error", reject);
  });
  socket.write(`${head.join("\r\n")}\r\n\r\n${body}`);
  await within(ended, `an answer of ${ask.path}`);
  socket.destroy();
  const text = Buffer.concat(chunks).toString();
  return { status: Number(text.split(" ")[1]), text: text.slice(text.indexOf("\r\n\r\n") + 4) };
}
