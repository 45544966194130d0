import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { makeCertificate, until, writeCertificate } from "@busbar/core/testkit";
import { openListening } from "./testing/listening.ts";

const skip = spawnSync("mosquitto_pub", ["--help"]).error === undefined ? false : "mosquitto-clients is not installed";

/** Runs one of Mosquitto's clients to its end, at most 20 s. */
function run(program: string, words: readonly string[]): Promise<{ readonly code: number | null; readonly output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words);
    const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (output += text));
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code, output });
    });
  });
}

const as = (id: string, port: number): readonly string[] => ["-h", "127.0.0.1", "-p", String(port), "-V", "mqttv311", "-i", `${id}-client`, "-u", id, "-P", id];

/** TLS files in a folder that goes with them. */
async function certificates(): Promise<{ readonly folder: string } & Disposable> {
  const folder = mkdtempSync(join(tmpdir(), "busbar-mqtt-tls-"));
  const ca = makeCertificate({ name: "CA", ca: true });
  await writeCertificate(folder, "ca", ca);
  await writeCertificate(folder, "server", makeCertificate({ name: "gateway", issuer: ca }));
  await writeCertificate(folder, "d-9", makeCertificate({ name: "d-9", issuer: ca, names: [] }));
  return { folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

describe("mqtt listener, with Mosquitto's own clients", () => {
  it("takes what mosquitto_pub sends and gives mosquitto_sub what it subscribes to, with every QoS", { skip }, async () => {
    await using listening = await openListening();
    const { gateway, port } = listening;
    for (const qos of ["0", "1", "2"]) {
      const heard = gateway.next("status/d-1");
      const { code, output } = await run("mosquitto_pub", [...as("d-1", port), "-q", qos, "-t", "status/d-1", "-m", `{"qos":${qos}}`, "-r"]);
      assert.equal(code, 0, output);
      assert.deepEqual((await heard).payload, { qos: Number(qos) });
      const got = await run("mosquitto_sub", [...as("app", port), "-q", qos, "-t", "status/#", "-C", "1", "-F", "%t %p %q %r"]);
      assert.equal(got.output.trim(), `status/d-1 {"qos":${qos}} ${qos} 1`);
    }
    const { code } = await run("mosquitto_pub", [...as("d-1", port).slice(0, -1), "wrong", "-t", "status/d-1", "-m", "1"]);
    assert.notEqual(code, 0);
  });

  it("speaks TLS, and takes a client certificate for the password", { skip }, async () => {
    using files = await certificates();
    const path = (name: string): string => join(files.folder, name);
    await using listening = await openListening({ tls: { certFile: path("server.pem"), keyFile: path("server.key"), caFile: path("ca.pem") } });
    const { gateway, port } = listening;
    const withToken = gateway.next("status/d-1");
    const first = await run("mosquitto_pub", [...as("d-1", port), "--cafile", path("ca.pem"), "-q", "1", "-t", "status/d-1", "-m", "1"]);
    assert.equal(first.code, 0, first.output);
    await withToken;
    const withCertificate = gateway.next("status/d-9/lamp");
    const second = await run("mosquitto_pub", ["-h", "127.0.0.1", "-p", String(port), "-V", "mqttv311", "-i", "x", "--cafile", path("ca.pem"), "--cert", path("d-9.pem"), "--key", path("d-9.key"), "-q", "2", "-t", "status/d-9/lamp", "-m", "on"]);
    assert.equal(second.code, 0, second.output);
    assert.equal((await withCertificate).from, "d-9/lamp");
    const nobody = await run("mosquitto_pub", ["-h", "127.0.0.1", "-p", String(port), "-V", "mqttv311", "-i", "y", "--cafile", path("ca.pem"), "-t", "status/d-9", "-m", "1"]);
    assert.notEqual(nobody.code, 0);
    await until("both are gone", () => gateway.metric("busbar_sessions") === 0);
  });
});
