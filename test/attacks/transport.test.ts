import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import type { IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { connect } from "node:tls";
import { varintFraming } from "@busbar/core";
import { makeCertificate, testPlugin, until, type CertificateSpec, type TestCertificate } from "@busbar/core/testkit";
import http from "@busbar/http";
import authJwt from "@busbar/auth-jwt";
import { openFolder, runBusbar, smallConfig } from "../../cli/testing/busbar.ts";
import { sumOf } from "./target/assert-unharmed.ts";
import { attackSuite } from "./target/attack-suite.ts";
import type { AttackTarget } from "./target/attack-target.ts";
import { clientHello } from "./target/client-hello.ts";
import { iotData } from "./target/device-frames.ts";
import { within } from "./target/within.ts";

const folder = mkdtempSync(join(tmpdir(), "busbar-attacks-tls-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const withoutOpenssl = spawnSync("openssl", ["version"]).status !== 0 && "the program openssl is missing";

const file = (name: string): string => join(folder, name);
function write(name: string, { cert, key }: TestCertificate): TestCertificate {
  writeFileSync(file(`${name}.pem`), cert);
  writeFileSync(file(`${name}.key`), key, { mode: 0o600 });
  return { cert, key } as TestCertificate;
}

const authority = makeCertificate({ name: "plant authority", ca: true });
const stranger = makeCertificate({ name: "plant authority", ca: true });
const serverAuthority = makeCertificate({ name: "server authority", ca: true });
write("authority", authority);
write("stranger", stranger);
write("server", makeCertificate({ name: "gateway", issuer: serverAuthority }));
const press: CertificateSpec = { name: "press-1", names: ["press-1.plant.example"] };
const certOf = (spec: Partial<CertificateSpec>): TestCertificate => makeCertificate({ ...press, ...spec });

/** `secure` asks for no certificate, `machines` lets nobody in without one, `others` believes another authority of the same name. */
const pair = { certFile: file("server.pem"), keyFile: file("server.key") };
const machines = { use: "tcp-protobuf", port: 0, codec: "iot-data", clients: { by: "certificate" } };
const plugins = {
  secure: { use: "tcp-protobuf", port: 0, tls: { ...pair, handshakeTimeout: "1s" } },
  machines: { ...machines, tls: { ...pair, caFile: file("authority.pem") } },
  others: { ...machines, tls: { ...pair, caFile: file("stranger.pem") } },
  "auth-jwt": { certificates: { "press-1.plant.example": { id: "press-1", roles: ["device"] }, "press-1": { id: "press-1", roles: ["device"] } } },
};

/** Connects with a certificate and says something as press-1. Resolves when the gateway has ended the connection, or has been heard for as long as it takes to let a good one in. */
async function speakAs(target: AttackTarget, client: TestCertificate | undefined, id = "machines"): Promise<"let in" | "refused"> {
  const counted = sumOf(await target.metrics(), "busbar_sessions");
  const socket = connect({ host: "127.0.0.1", port: target.port(id), ca: serverAuthority.cert, ...(client && { cert: client.cert, key: client.key }) });
  target.own(() => socket.destroy());
  socket.on("error", () => {});
  const closed = new Promise<"refused">((resolve) => socket.once("close", () => resolve("refused")));
  socket.write(varintFraming.frame(iotData("press-1")));
  const letIn = until("the session is there, or the connection is gone", async () => socket.destroyed || sumOf(await target.metrics(), "busbar_sessions") > counted).then((): "let in" | "refused" => (socket.destroyed ? "refused" : "let in"));
  return await within(Promise.race([closed, letIn]), "the gateway makes up its mind");
}

/** The alert that a hello is answered with, by its number; undefined = the gateway goes on with the handshake. */
async function alertTo(target: AttackTarget, hello: Buffer): Promise<number | undefined> {
  const socket = (await target.raw("secure")).write(hello);
  const [, type] = await socket.says(/^([\x15\x16])\x03[\x00-\x04]..(?:.|\n)/s);
  const answer = Buffer.from(socket.received, "latin1");
  socket.destroy();
  return type === "\x15" ? answer[6] : undefined;
}

/** Runs openssl s_client against a listener, types a command once the handshake is done, and gives all that it prints until it ends, or says what is waited for. */
async function sClient(target: AttackTarget, id: string, options: { readonly args: readonly string[]; readonly command?: "R"; readonly until?: RegExp }): Promise<string> {
  const child = spawn("openssl", ["s_client", "-connect", `127.0.0.1:${target.port(id)}`, ...options.args]);
  target.own(() => child.kill("SIGKILL"));
  let text = "";
  let { command } = options;
  const heard = Promise.withResolvers<void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      if (command !== undefined && text.includes("Extended master secret")) {
        child.stdin.write(`${command}\n`);
        command = undefined;
      }
      if ((options.until ?? /---\n(?:New|Reused), /).test(text)) heard.resolve();
    });
  }
  const closed = once(child, "close");
  child.stdin.on("error", () => {});
  await within(Promise.race([heard.promise, closed]), `openssl says something about it: ${text}`);
  child.stdin.end();
  child.kill("SIGTERM");
  await closed;
  return text;
}

attackSuite("transport", (attack) => {
  const modern = [0xc02b, 0xc02c, 0xcca9];

  attack("SSL 3, TLS 1.0 and TLS 1.1: the oldest that is spoken is TLS 1.2", async (target) => {
    for (const version of [0x0300, 0x0301, 0x0302]) assert.ok([40, 70].includes((await alertTo(target, clientHello({ version, ciphers: [...modern, 0xc009, 0xc00a] })))!), `version ${version.toString(16)}`);
    assert.equal(await alertTo(target, clientHello({ version: 0x0303, ciphers: modern })), undefined, "TLS 1.2 is");
  });

  attack("ciphers without forward secrecy or authentication, CBC, 3DES, RC4, NULL, export, anonymous: none of them is offered", async (target) => {
    const weak = { "RSA-AES128-GCM": 0x009c, "RSA-AES128-CBC": 0x002f, "ECDHE-ECDSA-AES128-CBC-SHA": 0xc009, "ECDHE-ECDSA-AES256-CBC-SHA384": 0xc024, "ECDHE-ECDSA-3DES": 0xc008, "ECDHE-ECDSA-RC4": 0xc007, "ECDHE-ECDSA-NULL": 0xc006, "RSA-EXPORT-RC4": 0x0003, "ECDH-anon-AES": 0xc018, "DHE-RSA-AES128-GCM": 0x009e, "ECDHE-ECDSA-AES128-CCM-8": 0xc0ae };
    for (const [name, number] of Object.entries(weak)) assert.equal(await alertTo(target, clientHello({ version: 0x0303, ciphers: [number] })), 40, name);
    assert.equal(await alertTo(target, clientHello({ version: 0x0303, ciphers: [...Object.values(weak), 0xc02b] })), undefined, "beside them a good one is chosen");
  });

  attack("plain bytes to a TLS port, a frame, an HTTP request, noise: the connection ends and nobody reads them", async (target) => {
    const before = sumOf(await target.metrics(), "busbar_tls_handshakes_failed_total");
    const said = [varintFraming.frame(iotData("press-1")), Buffer.from("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), randomBytes(500), Buffer.of(0x16, 3, 1, 0xff, 0xff), Buffer.alloc(64)];
    for (const bytes of said) for (const id of ["secure", "machines"]) await (await target.raw(id)).write(bytes).ended();
    assert.ok(sumOf(await target.metrics(), "busbar_tls_handshakes_failed_total") - before >= said.length, "counted");
  });

  attack("no client certificate where one is demanded: the handshake fails", async (target) => assert.equal(await speakAs(target, undefined), "refused"));

  attack("a client certificate of a foreign authority that has the name of ours: its signature is another's", async (target) => {
    assert.equal(await speakAs(target, certOf({ issuer: stranger })), "refused");
    assert.equal(await speakAs(target, certOf({ issuer: authority })), "let in", "that of ours is believed");
  });

  attack("a client certificate that expired a minute ago, or begins in an hour: it is not its time", async (target) => {
    assert.equal(await speakAs(target, certOf({ issuer: authority, notAfter: Date.now() - 60_000 })), "refused");
    assert.equal(await speakAs(target, certOf({ issuer: authority, notBefore: Date.now() + 3_600_000 })), "refused");
  });

  attack("a self-signed client certificate with a right CN and SAN: nobody vouches for it", async (target) => {
    assert.equal(await speakAs(target, certOf({})), "refused");
    assert.equal(await speakAs(target, certOf({ ca: true })), "refused");
  });

  attack("a certificate of a device that signs another device's: a device is no authority", async (target) => {
    const device = certOf({ name: "lamp-1", names: ["lamp-1.plant.example"], issuer: authority });
    const forged = certOf({ issuer: device });
    assert.equal(await speakAs(target, { ...forged, cert: forged.cert + device.cert }), "refused");
  });

  attack("a SAN with a comma or NUL in it that reads like two names, a CN likewise: names are read from the certificate, not from a text", async (target) => {
    const wanted = "press-1.plant.example";
    const tricks = [`x, DNS:${wanted}`, `${wanted}\0.evil.example`, `x\nDNS:${wanted}`, `"${wanted}"`, ` ${wanted}`];
    for (const trick of tricks) assert.equal(await speakAs(target, certOf({ name: "x", names: [trick], issuer: authority })), "refused", JSON.stringify(trick));
    for (const name of ["press-1\0", "x, CN=press-1", "x\nCN=press-1", "x/CN=press-1"]) assert.equal(await speakAs(target, certOf({ name, names: [], issuer: authority })), "refused", JSON.stringify(name));
  });

  attack("a TLS session of one listener resumed at another that believes other authorities: it is held against those", async (target) => {
    write("press", certOf({ issuer: authority }));
    for (const version of ["-tls1_2", "-tls1_3"]) {
      const [session, client] = [file(`session${version}`), ["-cert", file("press.pem"), "-key", file("press.key")]];
      const saved = version === "-tls1_3" ? /Post-Handshake New Session Ticket arrived|TLS session ticket/ : /Session-ID: \w+/;
      await sClient(target, "machines", { args: [version, ...client, "-sess_out", session], until: saved });
      assert.ok(existsSync(session), `a session of ${version}`);
      const before = sumOf(await target.metrics(), "busbar_sessions");
      assert.match(await sClient(target, "others", { args: [version, "-sess_in", session], until: /never/ }), /CONNECTED/); // ends because the gateway ends it
      assert.equal(sumOf(await target.metrics(), "busbar_sessions"), before, version);
    }
  }, { skip: withoutOpenssl });

  attack("renegotiation, which costs the gateway more than the client: there is none", async (target) => {
    const text = await sClient(target, "secure", { args: ["-tls1_2"], command: "R", until: /RENEGOTIATING[^]*(?:no renegotiation|verify return:1)/ });
    assert.match(text, /RENEGOTIATING[^]*no renegotiation/);
  }, { skip: withoutOpenssl });

  attack("two hundred handshakes that never end: they hold nobody up, and are given up after handshakeTimeout", async (target) => {
    const hello = clientHello({ version: 0x0303, ciphers: modern });
    const slow = await Promise.all(Array.from({ length: 200 }, () => target.raw("secure")));
    slow.forEach((socket, at) => socket.write(hello.subarray(0, at % hello.length)));
    assert.equal(await speakAs(target, certOf({ issuer: authority })), "let in");
    const socket = connect({ host: "127.0.0.1", port: target.port("secure"), ca: serverAuthority.cert });
    target.own(() => socket.destroy());
    await within(once(socket, "secureConnect"), "a handshake beside them");
    await Promise.all(slow.map((one) => one.ended()));
  });

  attack("a session that is resumed without its client certificate where one is demanded: no session of a listener without counts", async (target) => {
    const session = file("session-without");
    await sClient(target, "secure", { args: ["-tls1_2", "-sess_out", session], until: /Session-ID: \w+/ });
    const before = sumOf(await target.metrics(), "busbar_sessions");
    assert.match(await sClient(target, "machines", { args: ["-tls1_2", "-sess_in", session], until: /never/ }), /CONNECTED/); // ends because the gateway ends it
    assert.equal(sumOf(await target.metrics(), "busbar_sessions"), before);
  }, { skip: withoutOpenssl });
}, { plugins });

test("attacks: transport: a listener that is open to everybody without TLS: it does not start, the place in the file is named", async () => {
  for (const [id, section, open] of [["http", "http: { port: 0 }", 'http: { port: 0, host: "0.0.0.0" }'], ["tcp-protobuf", "tcp-protobuf: { port: 0 }", 'tcp-protobuf: { port: 0, host: "::" }']] as const) {
    await using place = await openFolder({ "busbar.yaml": smallConfig.replace(section, open) });
    const { code, stderr, stdout } = await runBusbar(["start"], { cwd: place.path });
    assert.deepEqual([code, stdout], [78, ""], stderr);
    assert.match(stderr, new RegExp(`^busbar\\.yaml:\\d+:\\d+ plugins\\.${id}\\.host: .* is reached by other machines, and there is no TLS`));
  }
});

test("attacks: transport: a foreign web page that uses its visitor's client certificate on the API: only a page of this very host may", async () => {
  const cwd = folder;
  const config = { keyFile: false, certificates: { "press-1": { id: "press-1", roles: ["all"] } }, roles: { all: { publish: ["#"], subscribe: ["#"] } } };
  await using gateway = await testPlugin(http, { port: 0, tls: { ...pair, caFile: file("authority.pem") } }, { cwd, plugins: { auth: [authJwt, config] } });
  const { port, host } = new URL(gateway.urls[0]!);
  const ask = async (headers: Record<string, string>, client?: TestCertificate): Promise<number> => {
    const sent = request({ host: "127.0.0.1", port, path: "/api/plugins", ca: serverAuthority.cert, agent: false, headers: { host, ...headers }, ...(client && { cert: client.cert, key: client.key }) }).end();
    const [response] = (await within(once(sent, "response"), "an answer")) as [IncomingMessage];
    response.resume();
    await once(response, "close");
    return response.statusCode!;
  };
  const visitor = certOf({ issuer: authority });
  assert.equal(await ask({}, visitor), 200, "a program with the certificate");
  assert.equal(await ask({ origin: `https://${host}`, "sec-fetch-site": "same-origin" }, visitor), 200, "the console");
  for (const headers of [{ origin: "https://evil.example" }, { origin: "null" }, { "sec-fetch-site": "cross-site" }, { "sec-fetch-site": "same-site" }, { origin: `https://${host}`, "sec-fetch-site": "cross-site" }]) assert.equal(await ask(headers as Record<string, string>, visitor), 401, JSON.stringify(headers));
  assert.deepEqual([await ask({}), await ask({}, certOf({ issuer: stranger })), await ask({}, certOf({}))], [401, 401, 401]);
});
