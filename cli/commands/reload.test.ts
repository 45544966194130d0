import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { makeCertificate, writeCertificate } from "@busbar/core/testkit";
import { WebSocket } from "ws";
import { openFolder, runBusbar, smallConfig, startGateway } from "../testing/busbar.ts";

test("busbar reload runs what is new, keeps connections, and lists every problem with 78", async () => {
  await using folder = await openFolder({ "busbar.yaml": smallConfig });
  await writeCertificate(folder.path, "tls", makeCertificate({ name: "one" }));
  const config = smallConfig.replace("tcp-protobuf: { port: 0 }", "tcp-protobuf: { port: 0, tls: { certFile: tls.pem, keyFile: tls.key, watchInterval: 0 } }");
  await writeFile(join(folder.path, "busbar.yaml"), config);
  await using gateway = await startGateway(folder.path);
  const { stdout: token } = await runBusbar(["token", "lamp-1", "--role", "device"], { cwd: folder.path });
  const socket = new WebSocket(gateway.urls.get("WebSocket")!, { headers: { authorization: `Bearer ${token.trim()}` } });
  await once(socket, "open");
  const { stdout: admin } = await runBusbar(["token", "boss", "--role", "admin", "--user"], { cwd: folder.path });
  const { stdout: weak } = await runBusbar(["token", "anna", "--role", "device", "--user"], { cwd: folder.path });
  const reload = (...words: string[]) => runBusbar(["reload", "--url", gateway.urls.get("HTTP API")!, ...words], { cwd: folder.path });

  const nothing = await reload();
  assert.deepEqual([nothing.stdout, nothing.code], ["reloaded: nothing changed\n", 0]);

  await writeCertificate(folder.path, "tls", makeCertificate({ name: "two" }));
  const renewed = await reload();
  assert.match(renewed.stdout, /^reloaded: tcp-protobuf: TLS certificate renewed, expires 20\d\d-/);

  await writeFile(join(folder.path, "tls.key"), "no key");
  const wrong = await reload();
  assert.match(wrong.stderr, /^plugin "tcp-protobuf": Cannot use the private key ".*tls\.key": it is no PEM file of a key.*\nbusbar: reload refused, the gateway runs on as before\n$/);
  assert.equal(wrong.code, 78);

  await writeFile(join(folder.path, "busbar.yaml"), config.replace("websocket: {}", "websocket: { pth: /ws }").replace("http: { port: 0 }", "http: { port: 0, host: 0.0.0.0 }"));
  const problems = await reload("--token", admin.trim());
  assert.equal(problems.code, 78);
  assert.match(problems.stderr, /^busbar\.yaml:\d+:\d+ plugins\.http\.host: "0\.0\.0\.0" is reached by other machines, and there is no TLS.*\nbusbar\.yaml:\d+:\d+ plugins\.websocket\.pth: unknown key/m);
  const asked = await reload("--json", "--token", admin.trim());
  assert.deepEqual([JSON.parse(asked.stdout).problems.length, JSON.parse(asked.stdout).state, asked.code], [2, "refused", 78]);

  const local = await reload("--json"); // which has the same problems, of the file itself
  assert.deepEqual([JSON.parse(local.stdout).problems.length, JSON.parse(local.stdout).state, local.code], [2, "refused", 78]);

  assert.equal((await reload("--token", weak.trim())).code, 77);
  assert.equal(socket.readyState, WebSocket.OPEN);
  socket.terminate();
});

test("busbar reload says how it went though the HTTP server itself restarts", async () => {
  await using folder = await openFolder({ "busbar.yaml": smallConfig });
  await using gateway = await startGateway(folder.path);
  const url = gateway.urls.get("HTTP API")!;
  await writeFile(join(folder.path, "busbar.yaml"), smallConfig.replace("http: { port: 0 }", `http: { port: ${new URL(url).port}, bodyLimit: 2MiB }`));
  const { stdout, code, stderr } = await runBusbar(["reload", "--url", url], { cwd: folder.path });
  assert.deepEqual([stdout, code], ["reloaded: restarted http\n", 0], stderr);
});
