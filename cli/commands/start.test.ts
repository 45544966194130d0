import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { WebSocket } from "ws";
import { openFolder, runBusbar, smallConfig, startBusbar, startGateway } from "../testing/busbar.ts";

/** A plugin in one file whose setup is `body`; it needs no import. */
const pluginFile = (name: string, body: string): string =>
  `const anything = { kind: "schema", type: "any", reference: null, expects: "any", async: false, "~run": (dataset) => ((dataset.typed = true), dataset), get "~standard"() { throw new Error("not asked for"); } };
export default { name: "${name}", description: "for a test", config: anything, async setup(ctx) { ${body} } };
`;

test("busbar start prints what listens where within 3 s, and the console link", async (t) => {
  await using folder = await openFolder({ "busbar.yaml": smallConfig });
  const start = async () => {
    const running = startBusbar(["start"], { cwd: folder.path });
    const begun = performance.now();
    const [, seconds] = await running.said(/ready after (\d+\.\d+) s/);
    const took = performance.now() - begun;
    t.diagnostic(`table after ${Math.round(took)} ms, by its own clock ${seconds} s`);
    return { running, took };
  };
  let { running, took } = await start();
  for (let again = 0; took >= 3000 && again < 5; again++) { // a busy machine
    running.signal("SIGTERM");
    await running.ended;
    ({ running, took } = await start());
  }
  assert.ok(took < 3000, `it took ${took} ms`);
  await running.said(/http:\/\/127\.0\.0\.1:\d+\/#code=\S+/);
  running.signal("SIGTERM");
  const { code, stdout } = await running.ended;
  assert.equal(code, 0);
  assert.match(stdout, /^ {2}http +HTTP API +http:\/\/127\.0\.0\.1:\d+$/m);
  assert.match(stdout, /^ {2}websocket +WebSocket +ws:\/\/127\.0\.0\.1:\d+\/ws$/m);
  assert.match(stdout, /^ {2}tcp-protobuf +.* tcp:\/\/127\.0\.0\.1:\d+$/m);
});

test("busbar start logs to stderr, one JSON object a line when that is no terminal", async () => {
  await using folder = await openFolder({ "busbar.yaml": smallConfig });
  const running = startBusbar(["start"], { cwd: folder.path });
  await running.said(/ready/);
  running.signal("SIGTERM");
  const lines = (await running.ended).stderr.trimEnd().split("\n").map((line) => JSON.parse(line) as { time: string; level: string; message: string });
  assert.ok(lines.some(({ message }) => message === "the gateway stops"));
  for (const { time, level } of lines) assert.ok(!Number.isNaN(Date.parse(time)) && ["debug", "info", "warn", "error"].includes(level));
});

test("busbar start with a port in use says on one line which port and which plugin, and ends with 69", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  for (const [id, section] of [["http", "http: { port: 0 }"], ["tcp-protobuf", "tcp-protobuf: { port: 0 }"]] as const) {
    await using folder = await openFolder({ "busbar.yaml": smallConfig.replace(section, section.replace("0", String(port))) });
    const { code, stdout, stderr } = await runBusbar(["start"], { cwd: folder.path });
    const plain = stderr.split("\n").filter((line) => line !== "" && !line.startsWith("{"));
    assert.equal(plain.length, 1, stderr);
    assert.match(plain[0]!, new RegExp(`plugin "${id}".*${port}`));
    assert.deepEqual([code, stdout], [69, ""]);
  }
  server.close();
});

for (const [what, body, code, line] of [
  ["throws", 'throw new Error("no such device");', 70, /^busbar: plugin "faulty": no such device$/m],
  ["rejects a file that is not there", 'throw Object.assign(new Error("ENOENT: no such file"), { code: "ENOENT" });', 74, /^busbar: plugin "faulty": ENOENT: no such file$/m],
  ["never ends", "await new Promise(() => {});", 69, /^busbar: plugin "faulty": setup has not finished within 300 ms$/m],
] as const) {
  test(`busbar start names the plugin whose setup ${what}, and ends with ${code}`, async () => {
    await using folder = await openFolder({ "faulty.ts": pluginFile("faulty", body), "busbar.yaml": `${smallConfig}  faulty: { use: ./faulty.ts }\ngateway: { setupTimeout: 300ms }\n` });
    const { code: ended, stdout, stderr } = await runBusbar(["start"], { cwd: folder.path });
    assert.match(stderr, line);
    assert.deepEqual([ended, stdout], [code, ""]);
  });
}

for (const [what, body] of [
  ["a timer", 'setTimeout(() => { throw new Error("broken by a timer"); }, 20);'],
  ["a promise that nobody awaits", 'setTimeout(() => void Promise.reject(new Error("broken by a promise")), 20);'],
] as const) {
  test(`busbar start restarts only the plugin that fails in ${what}`, async () => {
    const first = `globalThis.setups = (globalThis.setups ?? 0) + 1; if (globalThis.setups === 1) { ${body} }`;
    await using folder = await openFolder({ "faulty.ts": pluginFile("faulty", first), "busbar.yaml": `${smallConfig}  faulty: { use: ./faulty.ts }\n` });
    await using gateway = await startGateway(folder.path);
    await gateway.said(/"plugin failed, it is restarted","plugin":"faulty","error":"broken by/, "stderr");
    await gateway.said(/"plugin runs again","plugin":"faulty","restarts":1/, "stderr");
    assert.equal((await fetch(`${gateway.urls.get("HTTP API")}/readyz`)).status, 200);
  });
}

test("busbar start stops in order and ends with 70 when an error is nobody's", async () => {
  const config = `setTimeout(() => { throw new Error("nobody's"); }, 500);\nexport default { plugins: { "auth-jwt": { keyFile: "signing.key" }, http: { port: 0 } } };\n`;
  await using folder = await openFolder({ "busbar.ts": config });
  const { code, stderr } = await runBusbar(["start"], { cwd: folder.path });
  assert.equal(code, 70);
  assert.match(stderr, /"an error that nobody caught","error":"nobody's","stack":"Error: nobody's/);
});

test("busbar start closes 200 WebSocket clients with 1001 at SIGTERM and ends with 0 within 10 s", async (t) => {
  await using folder = await openFolder({ "busbar.yaml": smallConfig });
  await using gateway = await startGateway(folder.path);
  const { stdout } = await runBusbar(["token", "fleet", "--role", "device"], { cwd: folder.path });
  const sockets = Array.from({ length: 200 }, () => new WebSocket(gateway.urls.get("WebSocket")!));
  const closes = sockets.map((socket) => once(socket, "close").then(([code]: number[]) => code));
  const ready = sockets.map(async (socket, at) => {
    await once(socket, "open");
    socket.send(JSON.stringify({ type: "auth", deviceId: `fleet/${at}`, token: stdout.trim() }));
    await once(socket, "message");
  });
  await Promise.all(ready);
  const begun = performance.now();
  gateway.signal("SIGTERM");
  assert.deepEqual(new Set(await Promise.all(closes)), new Set([1001]));
  assert.equal((await gateway.ended).code, 0);
  t.diagnostic(`ended after ${Math.round(performance.now() - begun)} ms`);
  assert.ok(performance.now() - begun < 10_000);
});

test("busbar start ends at once with 128 and the signal's number at the second signal", async () => {
  await using folder = await openFolder({ "slow.ts": pluginFile("slow", "ctx.defer(() => new Promise(() => {}));"), "busbar.yaml": `${smallConfig}  slow: { use: ./slow.ts }\n` });
  await using gateway = await startGateway(folder.path);
  gateway.signal("SIGTERM");
  await gateway.said(/the gateway stops/, "stderr");
  gateway.signal("SIGINT");
  const { code, stderr } = await gateway.ended;
  assert.equal(code, 130);
  assert.doesNotMatch(stderr, /"plugin does not stop/, "it did not wait for the plugin");
});

test("busbar start ends with 0 within 10 s though a plugin does not stop", async () => {
  await using folder = await openFolder({ "slow.ts": pluginFile("slow", "ctx.defer(() => new Promise(() => {}));"), "busbar.yaml": `${smallConfig}  slow: { use: ./slow.ts }\n` });
  await using gateway = await startGateway(folder.path);
  const begun = performance.now();
  gateway.signal("SIGINT");
  const { code, stderr } = await gateway.ended;
  assert.equal(code, 0);
  assert.ok(performance.now() - begun < 10_000);
  assert.match(stderr, /"plugin does not stop: .*"plugin":"slow"/);
});

test("busbar start reads its config again at SIGHUP, restarts what changed and keeps the rest", async () => {
  await using folder = await openFolder({ "busbar.yaml": smallConfig });
  await using gateway = await startGateway(folder.path);
  const { stdout } = await runBusbar(["token", "lamp-1", "--role", "device"], { cwd: folder.path });
  const socket = new WebSocket(gateway.urls.get("WebSocket")!, { headers: { authorization: `Bearer ${stdout.trim()}` } });
  await once(socket, "open");

  await writeFile(join(folder.path, "busbar.yaml"), smallConfig.replace("tcp-protobuf: { port: 0 }", "tcp-protobuf: { port: 0, maxConnections: 5 }"));
  gateway.signal("SIGHUP");
  await gateway.said(/^reloaded busbar\.yaml: restarted tcp-protobuf$/m);
  assert.equal(socket.readyState, WebSocket.OPEN);

  await writeFile(join(folder.path, "busbar.yaml"), smallConfig.replace("port: 0", "prt: 0"));
  gateway.signal("SIGHUP");
  await gateway.said(/busbar\.yaml:\d+:\d+ plugins\.http\.prt: unknown key.*\n.*reload refused/, "stderr");
  assert.equal((await fetch(`${gateway.urls.get("HTTP API")}/healthz`)).status, 200);
  socket.terminate();
});

test("busbar start marks and warns about what listens beyond this machine without TLS", async () => {
  await using folder = await openFolder({ "busbar.yaml": smallConfig.replace("http: { port: 0 }", "http: { port: 0, host: 0.0.0.0, insecure: true }") });
  const running = startBusbar(["start"], { cwd: folder.path });
  await running.said(/ready/);
  running.signal("SIGTERM");
  const { stdout, stderr } = await running.ended;
  for (const what of ["HTTP API", "WebSocket"]) assert.match(stdout, new RegExp(`${what} .* insecure: without TLS, open to other machines$`, "m"));
  assert.doesNotMatch(stdout, /TCP protobuf.*insecure/);
  const warnings = stderr.split("\n").filter((line) => line.includes('"level":"warn"'));
  assert.deepEqual(warnings.map((line) => (JSON.parse(line) as { readonly plugin: string }).plugin), ["http"]);
});
