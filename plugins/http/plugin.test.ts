import assert from "node:assert/strict";
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { test } from "node:test";
import { BusbarError, type Http } from "@busbar/core";
import { testPlugin, type TestGateway } from "@busbar/core/testkit";
import { http } from "./mod.ts";
import { openPlugin } from "./plugin-fixture.ts";

/** A gateway with the plugin on a free port, and its Http port as another plugin gets it. */
async function start(config: object = {}): Promise<{ gateway: TestGateway; port: number; shared: Http; url: string }> {
  const { gateway, port, http: shared, url } = await openPlugin(config);
  return { gateway, port, shared, url };
}

/** Sends bytes and gives what comes back before the connection ends. */
async function exchange(port: number, bytes: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.write(bytes);
  return readAll(socket);
}

async function readAll(socket: Socket): Promise<string> {
  let text = "";
  socket.setEncoding("utf8").on("data", (part: string) => (text += part)).on("error", () => {});
  await once(socket, "close");
  return text;
}

test("http announces the API and a console link whose code is traded once", async () => {
  const { gateway, url } = await start();
  await using _gateway = gateway;
  const link = new URL(gateway.urls[1]!);
  assert.equal(link.origin, url);
  assert.match(link.hash, /^#code=[\w-]{32}$/);
  const response = await fetch(`${url}/api/console/session`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ code: link.hash.slice(6) }) });
  const { token } = (await response.json()) as { token: string };
  const plugins = await fetch(`${url}/api/plugins`, { headers: { authorization: `Bearer ${token}` } });
  assert.equal(plugins.status, 200);
  assert.ok(!(await plugins.text()).includes("code="));
});

test("http takes a chunked body and refuses one that grows too large", async () => {
  const { gateway, port } = await start({ bodyLimit: 2000 });
  await using _gateway = gateway;
  const post = async (payload: string): Promise<number> => {
    const sent = httpRequest({ port, host: "127.0.0.1", path: "/api/messages", method: "POST", headers: { authorization: "Bearer dev", "content-type": "application/json", "transfer-encoding": "chunked" } });
    sent.on("error", () => {});
    sent.write(`{"type":"status","payload":`);
    sent.end(`"${payload}"}`);
    const [response] = (await once(sent, "response")) as [import("node:http").IncomingMessage];
    response.resume();
    await once(response, "close");
    return response.statusCode!;
  };
  assert.equal(await post("x".repeat(1000)), 200);
  assert.equal(await post("x".repeat(3000)), 413);
});

test("http hands an upgrade to the plugin of exactly that path, whatever the case of the tokens", async () => {
  const { gateway, port, shared } = await start();
  await using _gateway = gateway;
  const remove = shared.upgrade("/ws", (request, socket) => socket.end(`HTTP/1.1 101 Switching Protocols\r\n\r\n${request.url}`));
  const upgrade = (path: string): Promise<string> => exchange(port, `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, UPGRADE\r\nUpgrade: WebSocket\r\n\r\n`);
  assert.match(await upgrade("/ws?x=1"), /^HTTP\/1.1 101 .*\/ws\?x=1$/s);
  for (const path of ["/ws/", "/WS", "//ws", "/other"]) {
    const answer = await upgrade(path);
    assert.match(answer, /^HTTP\/1.1 404 Not Found\r\n.*application\/problem\+json.*"status":404/s, path);
  }
  assert.equal(gateway.metric("busbar_http_upgrades_refused_total"), 4);
  assert.throws(() => shared.upgrade("/ws", () => {}), TypeError);
  assert.throws(() => shared.upgrade("ws", () => {}), TypeError);
  remove();
  assert.match(await upgrade("/ws"), /^HTTP\/1.1 404/);
});

test("http serves what another plugin mounts, with a request that its app can copy", async () => {
  const { gateway, shared, url } = await start();
  await using _gateway = gateway;
  shared.mount("/echo", async (request) => new Response(`${request.method} ${await new Request(request).text()}`));
  const response = await fetch(`${url}/echo/x`, { method: "PUT", body: "hello" });
  assert.equal(await response.text(), "PUT hello");
  assert.match(response.headers.get("content-security-policy")!, /script-src 'self'/);
});

test("http answers a head that never ends and a body that never ends with 408, and bytes that are no HTTP with 400", async () => {
  const { gateway, port } = await start({ timeouts: { headers: 200, request: 400 } });
  await using _gateway = gateway;
  const [head, body, garbage] = await Promise.all([
    exchange(port, "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "),
    exchange(port, "POST /api/console/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"),
    exchange(port, "\x00\x01\x02 nonsense\r\n\r\n"),
  ]);
  assert.match(head, /^HTTP\/1.1 408 /);
  assert.match(body, /^HTTP\/1.1 (?:408|400) /);
  assert.match(garbage, /^HTTP\/1.1 400 .*application\/problem\+json/s);
  assert.equal(gateway.status().restarts, 0);
});

test("http takes no more connections than it may", async () => {
  const { gateway, port } = await start({ maxConnections: 1 });
  await using _gateway = gateway;
  const first = connect(port, "127.0.0.1");
  first.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await once(first, "data");
  assert.equal(await exchange(port, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"), "");
  first.destroy();
});

test("http lets a running request end when it stops, and ends idle and upgraded connections", async () => {
  const { gateway, port, shared } = await start();
  const running = Promise.withResolvers<void>();
  const finish = Promise.withResolvers<void>();
  shared.mount("/slow", async () => {
    running.resolve();
    await finish.promise;
    return new Response("done");
  });
  const idle = connect(port, "127.0.0.1");
  idle.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await once(idle, "data");
  const idleEnded = once(idle.resume(), "close");
  const slow = exchange(port, "GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await running.promise;
  const stopped = gateway.stop();
  await idleEnded;
  await assert.rejects(fetch(`http://127.0.0.1:${port}/healthz`), "it accepts no more");
  finish.resolve();
  assert.match(await slow, /^HTTP\/1.1 200 .*done$/s);
  await stopped;
});

test("http ends a connection that outlasts the time for stopping", async () => {
  const { gateway, port, shared } = await start();
  shared.upgrade("/hold", (_request, socket) => void socket.write("HTTP/1.1 101 Switching Protocols\r\n\r\n"));
  const held = exchange(port, "GET /hold HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: hold\r\n\r\n");
  await fetch(`http://127.0.0.1:${port}/healthz`); // the upgrade came first and is taken by now
  await gateway.stop();
  assert.match(await held, /^HTTP\/1.1 101/);
});

test("http refuses a port in use, naming it", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const { port } = taken.address() as AddressInfo;
  try {
    await assert.rejects(testPlugin(http, { port }), (error: unknown) => causes(error).some(({ code, message }) => code === "UNAVAILABLE" && message === `Cannot listen on 127.0.0.1:${port}: the port is in use`));
  } finally {
    await new Promise((resolve) => taken.close(resolve));
  }
});

test("http refuses to listen beyond loopback without TLS unless told to", async () => {
  await assert.rejects(testPlugin(http, { port: 0, host: "0.0.0.0" }), (error: unknown) => causes(error).some(({ code, message }) => code === "CONFIG" && message.includes("plugins.subject.insecure")));
  const { gateway } = await start({ host: "0.0.0.0", insecure: true });
  await gateway.stop();
});

function causes(error: unknown): BusbarError[] {
  const found: BusbarError[] = [];
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof BusbarError) found.push(at);
  return found;
}
