import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { connect, type TLSSocket } from "node:tls";
import * as v from "valibot";
import { definePlugin } from "../plugin.ts";
import { AuditPort } from "../ports.ts";
import { makeCertificate, writeCertificate, type CertificateSpec, type TestCertificate } from "../testkit/make-certificate.ts";
import { testPlugin, type TestGateway } from "../testkit/test-plugin.ts";
import { until } from "../testkit/until.ts";
import { createSocketServer } from "./socket-server.ts";
import { tlsField } from "./tls-config.ts";

const day = 86_400_000;
const start = Math.floor(Date.now() / 1000) * 1000; // certificates know no milliseconds
const authority = makeCertificate({ name: "test authority", ca: true, notBefore: start - day, notAfter: start + 3650 * day });
const issue = (name: string, spec: Partial<CertificateSpec> = {}): TestCertificate => makeCertificate({ name, issuer: authority, notBefore: start - day, notAfter: start + 365 * day, ...spec });
const [first, second] = [issue("first"), issue("second")];

const echo = definePlugin({
  name: "echo",
  description: "Answers with what it is sent",
  config: v.strictObject({ tls: tlsField() }),
  needs: { audit: AuditPort },
  async setup(ctx) {
    const server = await createSocketServer(ctx, {
      tls: ctx.config.tls,
      accept(socket) {
        socket.on("error", () => {});
        socket.pipe(socket);
      },
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    ctx.defer(() => void server.close());
    ctx.announce({ what: "echo", url: `tls://127.0.0.1:${(server.address() as AddressInfo).port}` });
  },
});

interface Fixture {
  readonly folder: string;
  readonly gateway: TestGateway;
  /** The CN of the certificate that a new connection is shown. */
  shown(options?: { readonly client?: TestCertificate }): Promise<string>;
  /** Messages of the log that have to do with certificates. */
  said(): readonly string[];
}

/** Runs it with the certificate `first`, for a test. */
async function withEcho(run: (fixture: Fixture) => Promise<void>, { tls = {}, prepare = (folder) => writeCertificate(folder, "tls", first) }: { readonly tls?: object; readonly prepare?: (folder: string) => Promise<void> } = {}): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "busbar-tls-"));
  try {
    await prepare(folder);
    await using gateway = await testPlugin(echo, { tls: { certFile: "tls.pem", keyFile: "tls.key", watchInterval: 20, ...tls } }, { cwd: folder });
    await run({
      folder,
      gateway,
      async shown({ client } = {}) {
        const socket = await open(gateway, client);
        const { subject } = socket.getPeerCertificate();
        socket.destroy();
        return [subject.CN].flat().join();
      },
      said: () => gateway.log.filter(({ message }) => /TLS|authorit/.test(message)).map(({ level, message }) => `${level} ${message}`),
    });
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Connects and has a word echoed. @throws {Error} when the connection ends instead. */
async function open(gateway: TestGateway, client?: TestCertificate): Promise<TLSSocket> {
  const socket = connect({ host: "127.0.0.1", port: Number(new URL(gateway.urls[0]!).port), ca: authority.cert, ...(client && { cert: client.cert, key: client.key }) });
  await orClosed(socket, once(socket, "secureConnect"));
  await says(socket, "hello");
  return socket;
}

async function says(socket: TLSSocket, word: string): Promise<void> {
  socket.write(word);
  const [heard] = (await orClosed(socket, once(socket, "data"))) as [Buffer];
  assert.equal(heard.toString(), word);
}

/** With TLS 1.3 a client finds out only afterwards that its certificate was refused. */
async function orClosed<T>(socket: TLSSocket, event: Promise<T>): Promise<T> {
  const closed = Promise.withResolvers<never>();
  const end = (): void => closed.reject(new Error("the connection ended"));
  socket.once("close", end);
  event.catch(() => {});
  return await Promise.race([event, closed.promise]).finally(() => socket.off("close", end));
}

test("ServerCertificate gives new connections the new certificate and keeps the open ones", () =>
  withEcho(async ({ folder, gateway, shown, said }) => {
    const open1 = await open(gateway);
    assert.equal(open1.getPeerCertificate().subject.CN, "first");
    const noted = gateway.next("audit/subject");
    await writeCertificate(folder, "tls", second);
    await until("the second certificate is shown", async () => (await shown()) === "second");
    const { action, fingerprint } = (await noted).payload as { readonly action: string; readonly fingerprint: string };
    assert.deepEqual([action, fingerprint], ["certificate-changed", second.fingerprint]);
    await says(open1, "still here");
    open1.destroy();
    assert.equal(gateway.metric("busbar_tls_rotations_total"), 1);
    assert.equal(gateway.metric('busbar_tls_certificate_expires_seconds{instance="subject"}'), (start + 365 * day) / 1000);
    assert.ok(said().includes("info TLS certificate renewed"));
    assert.equal(gateway.status().restarts, 0);
  }));

test("ServerCertificate takes what a link to a whole folder is switched to, as Kubernetes does", () =>
  withEcho(
    async ({ folder, shown }) => {
      await mkdir(join(folder, "two"));
      await writeCertificate(join(folder, "two"), "tls", second);
      await symlink("two", join(folder, "..next"));
      await rename(join(folder, "..next"), join(folder, "..data"));
      await until("the second certificate is shown", async () => (await shown()) === "second");
    },
    {
      async prepare(folder) {
        await mkdir(join(folder, "one"));
        await writeCertificate(join(folder, "one"), "tls", first);
        await symlink("one", join(folder, "..data"));
        for (const name of ["tls.pem", "tls.key"]) await symlink(`..data/${name}`, join(folder, name));
      },
    },
  ));

test("ServerCertificate keeps what it has while the new files are wrong, says so once, and takes them when they are right", () =>
  withEcho(async ({ folder, gateway, shown, said }) => {
    const refused = (): number => gateway.metric("busbar_tls_rotations_refused_total");
    const replace = async (text: string): Promise<void> => {
      await writeFile(join(folder, "next.pem"), text);
      await rename(join(folder, "next.pem"), join(folder, "tls.pem")); // at once: an empty file in between would be another fault
    };
    const steps: readonly (readonly [fault: RegExp, change: () => Promise<void>])[] = [
      [/they do not belong together/, () => replace(second.cert)],
      [/it ends within a certificate/, () => replace(second.cert.slice(0, second.cert.length / 2))],
      [/it ends within a certificate/, () => replace(first.cert + authority.cert.slice(0, 200))],
      [/it is no PEM file of certificates/, () => replace("not yet")],
      [/there is no such file/, () => unlink(join(folder, "tls.pem"))],
    ];
    for (const [fault, change] of steps) {
      await change();
      await assert.rejects(gateway.reload(), fault);
      const counted = refused();
      assert.equal(await shown(), "first");
      await assert.rejects(gateway.reload(), fault);
      assert.equal(refused(), counted, "the same fault is counted once");
    }
    assert.ok(refused() >= steps.length - 1, "the same fault twice in a row counts once");
    await writeCertificate(folder, "tls", second);
    await until("the second certificate is shown", async () => (await shown()) === "second");
    assert.ok(said().includes("error new TLS files cannot be used, the earlier ones stay in use"));
    assert.equal(gateway.metric("busbar_tls_rotations_total"), 1);
  }));

test("ServerCertificate takes no expired certificate in place of a good one, and one for later when its time has come", () =>
  withEcho(async ({ folder, gateway, shown }) => {
    await writeCertificate(folder, "tls", issue("expired", { notAfter: start - 1000 }));
    await assert.rejects(gateway.reload(), /it has expired on/);
    assert.equal(await shown(), "first");
    await writeCertificate(folder, "tls", issue("later", { notBefore: Date.now() + 4000 }));
    await assert.rejects(gateway.reload(), /it is not valid before/);
    assert.equal(await shown(), "first");
    await until("the later certificate is shown", async () => (await shown()) === "later");
  }));

test("ServerCertificate warns about one that expires soon, and anew about the next", () =>
  withEcho(
    async ({ folder, gateway, said }) => {
      const warnings = (): readonly string[] => said().filter((line) => line.includes("expires within"));
      const left = (): number => gateway.metric('busbar_tls_certificate_days_left{instance="subject"}');
      assert.deepEqual([warnings(), left()], [["warn TLS certificate expires within 7 days"], 5]);
      await writeCertificate(folder, "tls", issue("shorter", { notAfter: start + day / 2 }));
      await until("there is a second warning", () => warnings().length > 1);
      assert.deepEqual([warnings().slice(1), left()], [["warn TLS certificate expires within 1 day"], 0.5]);
    },
    { prepare: (folder) => writeCertificate(folder, "tls", issue("soon", { notAfter: start + 5 * day })) },
  ));

test("ServerCertificate warns about an expired certificate and a chain in the wrong order at the start", () =>
  withEcho(async ({ said }) => assert.deepEqual(said(), ["warn TLS certificate is not followed by those that lead to its authority, in order: clients may refuse it", "error TLS certificate has expired: clients refuse it"]), {
    async prepare(folder) {
      const old = issue("old", { notAfter: start - day / 2 });
      await writeCertificate(folder, "tls", { cert: old.cert + second.cert, key: old.key });
    },
  }));

test("ServerCertificate looks at the files only when the gateway reloads, with watchInterval: 0", () =>
  withEcho(async ({ folder, gateway, shown }) => {
    await writeCertificate(folder, "tls", second);
    assert.equal(await shown(), "first");
    const { refreshed } = await gateway.reload();
    assert.match(refreshed.join(), /^subject: TLS certificate renewed, expires 20/);
    assert.equal(await shown(), "second");
    await writeFile(join(folder, "tls.pem"), first.cert);
    await assert.rejects(gateway.reload(), /plugin "subject": Cannot use the certificate .* do not belong together/);
    assert.equal(await shown(), "second");
  }, { tls: { watchInterval: 0 } }));

test("ServerCertificate believes the authorities that stand in caFile now", async () => {
  const times = { notBefore: Date.now() - day, notAfter: Date.now() + day };
  const [ca1, ca2] = [makeCertificate({ name: "one", ca: true, ...times }), makeCertificate({ name: "two", ca: true, ...times })];
  const [client1, client2] = [ca1, ca2].map((issuer) => makeCertificate({ name: "device", issuer, ...times }));
  const refuses = (fixture: Fixture, client?: TestCertificate): Promise<boolean> => fixture.shown(client && { client }).then(() => false, () => true);
  await withEcho(
    async (fixture) => {
      const live = await open(fixture.gateway, client1);
      assert.deepEqual([await refuses(fixture), await refuses(fixture, client2)], [true, true]);
      await writeFile(join(fixture.folder, "ca.pem"), ca2.cert);
      await until("the other authority is trusted", async () => !(await refuses(fixture, client2)));
      assert.equal(await refuses(fixture, client1), true);
      await says(live, "still here");
      live.destroy();
      await writeFile(join(fixture.folder, "ca.pem"), "no authority");
      await until("a rotation is refused", () => fixture.gateway.metric("busbar_tls_rotations_refused_total") >= 1);
      assert.equal(await refuses(fixture, client2), false);
    },
    {
      tls: { caFile: "ca.pem", requireClientCert: true },
      async prepare(folder) {
        await writeCertificate(folder, "tls", first);
        await writeFile(join(folder, "ca.pem"), ca1.cert);
      },
    },
  );
});

test("openServerCertificate() refuses files that no client would take, naming file and reason", async () => {
  const encrypted = generateKeyPairSync("ec", { namedCurve: "P-256", privateKeyEncoding: { type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" }, publicKeyEncoding: { type: "spki", format: "pem" } }).privateKey;
  const table: readonly (readonly [files: Pick<TestCertificate, "cert" | "key">, says: RegExp])[] = [
    [{ cert: first.cert, key: second.key }, /Cannot use the certificate ".*tls\.pem" with the key ".*tls\.key": they do not belong together/],
    [{ cert: first.key, key: first.key }, /Cannot use the certificate ".*tls\.pem": it is no PEM file of certificates/],
    [{ cert: first.cert.replace(/[A-Za-z0-9]{40}/, "A".repeat(40)), key: first.key }, /Cannot use the certificate ".*tls\.pem": a certificate in it is damaged|do not belong together/],
    [{ cert: first.cert, key: encrypted }, /Cannot use the private key ".*tls\.key": it is encrypted, which is not supported/],
    [{ cert: first.cert, key: first.cert }, /Cannot use the private key ".*tls\.key": it is no PEM file of a key/],
    [issue("weak", { rsaBits: 1024 }), /its RSA key has 1024 bits, at least 2048 are needed/],
  ];
  for (const [files, says] of table) await assert.rejects(withEcho(async () => assert.fail("it started"), { prepare: (folder) => writeCertificate(folder, "tls", files) }), says);
});
