import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { makeCertificate, writeCertificate } from "@busbar/core/testkit";
import { openFolder, runBusbar, smallConfig, startGateway } from "../testing/busbar.ts";

const tls = "tls: { certFile: server.pem, keyFile: server.key }";

test("--ca and BUSBAR_CA let every kind of connection believe the site's own authority, and only that one", async () => {
  await using folder = await openFolder({ "busbar.yaml": smallConfig.replace("http: { port: 0 }", `http: { port: 0, ${tls} }`).replace("tcp-protobuf: { port: 0 }", `tcp-protobuf: { port: 0, ${tls} }`) });
  const ca = makeCertificate({ name: "Site", ca: true });
  await writeCertificate(folder.path, "server", makeCertificate({ name: "gateway", issuer: ca }));
  await writeFile(join(folder.path, "ca.pem"), ca.cert);
  await writeFile(join(folder.path, "other.pem"), makeCertificate({ name: "Other", ca: true }).cert);
  await using gateway = await startGateway(folder.path);
  const api = gateway.urls.get("HTTP API")!;
  const tcp = [...gateway.urls.values()].find((url) => url.startsWith("tls:"))!;
  assert.match(api, /^https:/);
  const run = (...words: string[]) => runBusbar(words, { cwd: folder.path });

  const listed = await run("readers", "list", "--url", api, "--ca", "ca.pem");
  assert.equal(listed.code, 0, listed.stderr);
  assert.equal((await run("revoke", "list", "--url", api, "--ca", "ca.pem")).code, 0);
  const sent = await runBusbar(["send", "event", "1", "--url", api], { cwd: folder.path, env: { BUSBAR_CA: "ca.pem" } });
  assert.equal(sent.code, 0, sent.stderr);
  for (const words of [["--url", api, "--protocol", "ws"], ["--url", tcp]]) {
    const { code, stdout, stderr } = await run("sim", "--count", "1", "--duration", "2s", "--json", "--ca", "ca.pem", ...words);
    assert.equal(code, 0, stderr);
    assert.ok((JSON.parse(stdout.trim().split("\n").at(-1)!) as { acked: number }).acked > 0, stdout);
  }

  for (const words of [[], ["--ca", "other.pem"]]) {
    for (const command of [["readers", "list"], ["tap", "#"]]) {
      const { code, stderr } = await run(...command, "--url", api, ...words);
      assert.equal(code, 69, `${command.join(" ")} ${words.join(" ")}: ${stderr}`);
    }
  }
});

test("--ca with a file that is missing, or has no certificate, ends with 66 and says so", async () => {
  await using folder = await openFolder({ "busbar.yaml": smallConfig, "empty.pem": "" });
  const run = (file: string) => runBusbar(["readers", "list", "--ca", file], { cwd: folder.path });
  const missing = await run("absent.pem");
  assert.deepEqual([missing.code, missing.stderr], [66, 'busbar: cannot read the authorities in "absent.pem": ENOENT\n']);
  const empty = await run("empty.pem");
  assert.deepEqual([empty.code, empty.stderr], [66, 'busbar: cannot use the authorities in "empty.pem": it is no PEM file of certificates\n']);
});
