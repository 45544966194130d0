import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { request, type RequestOptions } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { IncomingMessage } from "node:http";
import { BusbarError } from "@busbar/core";
import { testPlugin } from "@busbar/core/testkit";
import { http } from "./mod.ts";

const withoutOpenssl = spawnSync("openssl", ["version"]).status !== 0 && "the program openssl is missing";

async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "busbar-http-"));
  try {
    await run(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Makes a certificate for 127.0.0.1 and its key. */
function makePair(cwd: string): void {
  execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"], { cwd, stdio: "ignore" });
}

test("http serves https with the files of its config and says so in its URL", { skip: withoutOpenssl }, () =>
  withFolder(async (cwd) => {
    makePair(cwd);
    const other = join(cwd, "other");
    await mkdir(other);
    makePair(other);
    await assert.rejects(testPlugin(http, { port: 0, tls: { certFile: "cert.pem", keyFile: "other/key.pem" } }, { cwd }), /they do not belong together/);
    await using gateway = await testPlugin(http, { port: 0, host: "0.0.0.0", tls: { certFile: "cert.pem", keyFile: "key.pem", caFile: "cert.pem" } }, { cwd });
    const { protocol, port } = new URL(gateway.urls[0]!);
    assert.equal(protocol, "https:");
    const options: RequestOptions = { host: "127.0.0.1", port, path: "/healthz", rejectUnauthorized: false, agent: false };
    const sent = request(options).end();
    const [response] = (await once(sent, "response")) as [IncomingMessage];
    response.resume();
    assert.equal(response.statusCode, 200, "without a client certificate");
    assert.match(response.headers["strict-transport-security"] ?? "", /max-age/);
    await once(response, "close");
  }));

test("http names the TLS file that cannot be read or used", () =>
  withFolder(async (cwd) => {
    await writeFile(join(cwd, "bad.pem"), "no certificate");
    const reason = async (tls: object): Promise<string> => {
      try {
        await (await testPlugin(http, { port: 0, tls }, { cwd })).stop();
      } catch (error) {
        for (let at = error; at instanceof Error; at = at.cause) if (at instanceof BusbarError && at.code === "CONFIG") return at.message;
      }
      return "it started";
    };
    assert.match(await reason({ certFile: "absent.pem", keyFile: "bad.pem" }), /Cannot read the certificate ".*absent\.pem": there is no such file/);
    assert.match(await reason({ certFile: "bad.pem", keyFile: "bad.pem" }), /Cannot use the certificate ".*bad\.pem": it is no PEM file of certificates$/);
  }));
