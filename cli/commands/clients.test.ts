import assert from "node:assert/strict";
import { test } from "node:test";
import { openFolder, runBusbar, smallConfig, startBusbar, startGateway } from "../testing/busbar.ts";

/** A gateway, and the words by which a client command finds it over a protocol. */
async function openGateway() {
  const folder = await openFolder({ "busbar.yaml": smallConfig });
  const gateway = await startGateway(folder.path);
  const ws = ["--url", gateway.urls.get("WebSocket")!];
  const tcp = ["--url", [...gateway.urls.values()].find((url) => url.startsWith("tcp:"))!];
  return {
    cwd: folder.path,
    ws,
    tcp,
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

test("busbar send puts a message into the journal, busbar tap prints it from there and live", async () => {
  await using gateway = await openGateway();
  const { cwd, ws } = gateway;
  const first = await runBusbar(["send", "status", '{"temperature":31}', "--from", "sensor-1", ...ws], { cwd });
  assert.equal(first.code, 0, first.stderr);
  const [, offset] = /^sent \S+, offset (\d+)$/m.exec(first.stdout)!;
  const tap = startBusbar(["tap", "status/#", "--since", "0", "--count", "2", ...ws], { cwd });
  await tap.said(new RegExp(`^\\d\\d:\\d\\d:\\d\\d\\.\\d{3} status/sensor-1 \\{"temperature":31\\} qos 1 #${offset}$`, "m"));
  const second = await runBusbar(["send", "status", "-", "--from", "sensor-2", "--qos", "0", "--json", ...ws], { cwd, input: '{"door":"open"}' });
  assert.match(second.stdout, /^\{"msgid":"[^"]+"\}\n$/);
  const { code, stdout } = await tap.ended;
  assert.equal(code, 0);
  assert.match(stdout, /^\S+ status\/sensor-2 \{"door":"open"\}$/m);
});

test("busbar tap --json prints envelopes as they came", async () => {
  await using gateway = await openGateway();
  const { cwd, ws } = gateway;
  const before = Date.now();
  await runBusbar(["send", "command", '{"on":true}', "--to", "lamp-1", "--from", "anna", "--ttl", "1h", "--replace", "power", ...ws], { cwd });
  const { stdout } = await runBusbar(["tap", "command/#", "--since", "0", "--count", "1", "--json", ...ws], { cwd });
  const { ver, from, to, type, payload, qos, replace, expires } = JSON.parse(stdout) as Record<string, unknown>;
  assert.deepEqual({ ver, from, to, type, payload, qos, replace }, { ver: "1.0", from: "anna", to: "lamp-1", type: "command", payload: { on: true }, qos: 1, replace: "power" });
  assert.ok((expires as number) >= before + 3_600_000 && (expires as number) <= Date.now() + 3_600_000);
});

test("busbar tap ends with 69 when the gateway goes", async () => {
  await using gateway = await openGateway();
  const tap = startBusbar(["tap", "status/#", ...gateway.ws], { cwd: gateway.cwd });
  const sent = startBusbar(["sim", "--count", "1", "--rate", "50", "--protocol", "ws", ...gateway.ws], { cwd: gateway.cwd });
  await tap.said(/status\/sim-1/);
  sent.signal("SIGINT");
  assert.equal((await sent.ended).code, 0);
  await gateway[Symbol.asyncDispose]();
  const { code, stderr } = await tap.ended;
  assert.deepEqual([code, stderr], [69, "busbar: Connection closed (1001): the gateway shuts down\n"]);
});

for (const protocol of ["tcp", "ws"] as const) {
  test(`busbar sim --protocol ${protocol} runs devices that report and are acknowledged`, async () => {
    await using gateway = await openGateway();
    const { code, stdout, stderr } = await runBusbar(["sim", "--protocol", protocol, "--count", "20", "--rate", "10", "--duration", "1500ms", "--json", ...gateway[protocol]], { cwd: gateway.cwd });
    assert.equal(code, 0, stderr);
    const lines = stdout.trimEnd().split("\n").map((line) => JSON.parse(line) as { connected: number; sent: number; acked: number; errors: number; reconnects: number });
    const { connected, sent, acked, errors, reconnects } = lines.at(-1)!;
    assert.equal(lines.length, 2);
    assert.deepEqual([connected, errors, reconnects], [20, 0, 0]);
    assert.ok(sent > 100 && acked > sent / 2, stdout);
    const devices = JSON.parse((await runBusbar(["tap", "status/sim-20", "--since", "0", "--count", "1", "--json", ...gateway.ws], { cwd: gateway.cwd })).stdout) as { from: string; payload: { values: { tag: string }[] } };
    assert.deepEqual([devices.from, devices.payload.values.map(({ tag }) => tag)], ["sim-20", ["temperature", "voltage"]]);
  });

  test(`busbar sim --protocol ${protocol} comes back when the gateway does`, async () => {
    await using folder = await openFolder({ "busbar.yaml": smallConfig });
    const first = await startGateway(folder.path);
    const url = protocol === "ws" ? first.urls.get("WebSocket")! : [...first.urls.values()].find((one) => one.startsWith("tcp:"))!;
    const sim = startBusbar(["sim", "--protocol", protocol, "--count", "5", "--rate", "5", "--json", "--url", url], { cwd: folder.path });
    await sim.said(/"connected":5,/);
    await first[Symbol.asyncDispose]();
    await sim.said(/"connected":0,.*"errors":[1-9]/);
    const { port } = new URL(url);
    await using again = await openFolder({ "busbar.yaml": smallConfig.replace(protocol === "ws" ? "http: { port: 0 }" : "tcp-protobuf: { port: 0 }", `${protocol === "ws" ? "http" : "tcp-protobuf"}: { port: ${port} }`).replace("signing.key", `${folder.path}/signing.key`) });
    await using second = await startGateway(again.path);
    assert.ok(second.urls.size > 0);
    await sim.said(/"connected":5,.*"reconnects":[1-9]/);
    sim.signal("SIGINT");
    assert.equal((await sim.ended).code, 0);
  });
}

test("busbar sim with a given token speaks for ids below the token's", async () => {
  await using gateway = await openGateway();
  const { stdout: token } = await runBusbar(["token", "home-7", "--role", "device"], { cwd: gateway.cwd });
  const { code } = await runBusbar(["sim", "--count", "2", "--rate", "20", "--duration", "1s", ...gateway.tcp], { cwd: gateway.cwd, env: { BUSBAR_TOKEN: token.trim() } });
  assert.equal(code, 0);
  const { stdout } = await runBusbar(["tap", "status/home-7/#", "--since", "0", "--count", "1", "--json", ...gateway.ws], { cwd: gateway.cwd });
  assert.match((JSON.parse(stdout) as { from: string }).from, /^home-7\/sim-[12]$/);
});

test("client commands end with 69 where nobody listens and with 77 where they may not", async () => {
  await using gateway = await openGateway();
  const { cwd, ws } = gateway;
  const away = ["--url", "ws://127.0.0.1:9/ws"];
  for (const words of [["tap", "status/#"], ["send", "status", "1"]]) {
    const { code, stdout, stderr } = await runBusbar([...words, ...away], { cwd });
    assert.deepEqual([code, stdout, stderr.trimEnd().split("\n").length], [69, "", 1], stderr);
    assert.match(stderr, /^busbar: Cannot (?:connect to ws|send to http):\/\/127\.0\.0\.1:9\//);
  }
  const sim = await runBusbar(["sim", "--duration", "300ms", "--url", "tcp://127.0.0.1:9"], { cwd });
  assert.equal(sim.code, 69);
  assert.match(sim.stderr, /^busbar: sim: no device could connect to tcp:\/\/127\.0\.0\.1:9/);
  const forged = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm5hIiwiYXVkIjoiYnVzYmFyIn0.c2lnbmF0dXJl";
  for (const words of [["tap", "status/#"], ["send", "status", "1"]]) assert.equal((await runBusbar([...words, "--token", forged, ...ws], { cwd })).code, 77, words[0]);
  assert.equal((await runBusbar(["tap", "#", "--role", "device", ...ws], { cwd })).code, 77);
  assert.equal((await runBusbar(["send", "status", "1", "--from", "a", "--role", "admin", "--token", (await runBusbar(["token", "b", "--role", "device"], { cwd })).stdout.trim(), ...ws], { cwd })).code, 77);
  assert.deepEqual([(await runBusbar(["send", "status", "{", ...ws], { cwd })).code], [65]);
});
