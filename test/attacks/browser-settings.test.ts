import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { request as plainRequest, type IncomingHttpHeaders } from "node:http";
import { request as tlsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fakeClock, makeCertificate, testPlugin, until, writeCertificate, type TestCertificate, type TestGateway } from "@busbar/core/testkit";
import http from "@busbar/http";
import websocket from "@busbar/websocket";

/** An answer; 101 where the connection became a WebSocket. */
interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** One request to a gateway, with a client certificate where one is given. */
function ask(url: string, options: { readonly method?: string; readonly headers?: Readonly<Record<string, string>>; readonly body?: string; readonly certificate?: TestCertificate } = {}): Promise<Answer> {
  const { method = "GET", headers = {}, body, certificate } = options;
  const common = { method, headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers }, agent: false as const };
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const sent = url.startsWith("https:") ? tlsRequest(url, { ...common, rejectUnauthorized: false, ...(certificate && { cert: certificate.cert, key: certificate.key }) }) : plainRequest(url, common);
  sent.on("response", (response) => {
    let text = "";
    response.setEncoding("utf8").on("data", (part: string) => (text += part)).on("end", () => resolve({ status: response.statusCode!, headers: response.headers, body: text }));
  });
  sent.on("upgrade", (response, socket) => {
    socket.destroy();
    resolve({ status: 101, headers: response.headers, body: "" });
  });
  sent.on("error", reject);
  sent.end(body);
  return promise;
}

const upgrade = (url: string, origin: string, more: { readonly headers?: Readonly<Record<string, string>>; readonly certificate?: TestCertificate } = {}): Promise<Answer> =>
  ask(`${url}/ws`, { ...more, headers: { connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13", "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==", origin, ...more.headers } });

/** A gateway with http and WebSocket on a free port. */
async function open(config: object, options: { readonly cwd?: string } = {}): Promise<{ readonly gateway: TestGateway; readonly url: string }> {
  const gateway = await testPlugin(websocket, {}, { ...options, plugins: { http: [http, { port: 0, ...config }] } });
  return { gateway, url: gateway.urls[0]!.replace(/^ws(.*)\/ws$/, "http$1") };
}

const message = JSON.stringify({ type: "event", payload: "forged" });

test("a page of another site that uses its visitor's client certificate, which the browser shows for it: refused, in every kind of request", async () => {
  const folder = await mkdtemp(join(tmpdir(), "busbar-browser-"));
  try {
    const authority = makeCertificate({ name: "site", ca: true });
    const certificate = makeCertificate({ name: "plc-101", issuer: authority });
    await writeCertificate(folder, "server", makeCertificate({ name: "gateway", issuer: authority }));
    await writeCertificate(folder, "authority", authority);
    const { gateway, url } = await open({ tls: { certFile: "server.pem", keyFile: "server.key", caFile: "authority.pem" }, cors: { origins: ["https://panel.example"] } }, { cwd: folder });
    await using _gateway = gateway;
    const post = async (headers: Readonly<Record<string, string>>): Promise<number> => (await ask(`${url}/api/messages`, { method: "POST", body: message, certificate, headers })).status;
    const heard: unknown[] = [];
    gateway.bus.subscribe("event/#", ({ payload }) => void (payload === "forged" && heard.push(payload)));
    for (const headers of [{ origin: "https://evil.example" }, { origin: "null" }, { "sec-fetch-site": "cross-site" }, { "sec-fetch-site": "same-site" }, { origin: url.replace("https", "http") }, { origin: url, "sec-fetch-site": "cross-site" }]) {
      assert.equal(await post({ ...headers, "content-type": "text/plain" } as unknown as Record<string, string>), 403, JSON.stringify(headers));
      assert.equal(await post(headers as unknown as Record<string, string>), 403, JSON.stringify(headers));
    }
    assert.equal(await post({ origin: "https://panel.example", "sec-fetch-site": "cross-site" }), 401, "CORS lets it ask with a token of its own, not with the certificate");
    assert.deepEqual(heard, []);
    for (const headers of [{ "sec-fetch-site": "cross-site" }, { origin: "https://evil.example" }, { origin: "https://panel.example" }]) {
      assert.equal((await ask(`${url}/api/plugins`, { certificate, headers: headers as unknown as Record<string, string> })).status, 401, JSON.stringify(headers));
    }
    assert.equal((await upgrade(url, "https://evil.example", { certificate })).status, 403);
    assert.equal((await upgrade(url, "null", { certificate })).status, 403);
    assert.equal(await post({ origin: url, "sec-fetch-site": "same-origin" }), 200, "our own page may");
    assert.equal(await post({}), 200, "and so may a client that is no browser");
    assert.deepEqual(heard, ["forged", "forged"]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("an origin that is like one that cors.origins names: it is granted nothing, and nobody is granted credentials", async () => {
  const { gateway, url } = await open({ cors: { origins: ["https://Panel.example"] } });
  await using _gateway = gateway;
  const granted = async (origin: string): Promise<unknown> => {
    const preflight = { "access-control-request-method": "POST", "access-control-request-headers": "authorization, content-type", origin };
    const answers = [await ask(`${url}/api/messages`, { method: "OPTIONS", headers: preflight }), await ask(`${url}/healthz`, { headers: { origin } })];
    for (const { headers } of answers) assert.equal(headers["access-control-allow-credentials"], undefined);
    const [first, second] = answers.map(({ headers }) => headers["access-control-allow-origin"]);
    assert.equal(first, second);
    return first;
  };
  assert.equal(await granted("https://panel.example"), "https://panel.example");
  for (const origin of ["https://panel.example.evil.example", "https://evilpanel.example", "http://panel.example", "https://panel.example:8443", "https://evil.example?https://panel.example", "https://sub.panel.example", "null", "*"]) {
    assert.equal(await granted(origin), undefined, origin);
    assert.equal((await upgrade(url, origin)).status, 403, origin);
  }
  assert.equal((await upgrade(url, "https://panel.example")).status, 101);
  assert.equal((await ask(`${url}/healthz`)).headers["vary"], "Origin", "no cache gives one origin's answer to another");
});

test("cors.origins of *: every page may ask with a token, none with credentials, and a page that hides its origin may not change anything", async () => {
  const { gateway, url } = await open({ cors: { origins: ["*"] } });
  await using _gateway = gateway;
  const { headers } = await ask(`${url}/healthz`, { headers: { origin: "https://any.example" } });
  assert.deepEqual([headers["access-control-allow-origin"], headers["access-control-allow-credentials"]], ["*", undefined]);
  assert.equal((await upgrade(url, "https://any.example")).status, 101);
  assert.equal((await upgrade(url, "null")).status, 403);
  assert.equal((await ask(`${url}/api/messages`, { method: "POST", body: message, headers: { origin: "null", authorization: "Bearer dev" } })).status, 403);
});

test("behind a proxy that does the TLS: the page of origins comes in under either Host, one of the same name without TLS or with another port does not", async () => {
  const { gateway, url } = await open({ origins: ["https://gateway.example"] });
  await using _gateway = gateway;
  for (const host of ["gateway.example", "127.0.0.1"]) {
    assert.equal((await upgrade(url, "https://gateway.example", { headers: { host } })).status, 101, host);
    for (const origin of ["https://gateway.example:8443", "https://gateway.example.evil.example"]) assert.equal((await upgrade(url, origin, { headers: { host } })).status, 403, origin);
  }
  assert.equal((await upgrade(url, "http://gateway.example", { headers: { host: "127.0.0.1" } })).status, 403);
  assert.equal((await ask(`${url}/`, { headers: { host: "evil.example", "x-forwarded-host": "gateway.example" } })).status, 421, "what a client says of a proxy counts for nothing");
});

test("a console link that somebody finds after its time, a quarter of an hour: its code is none any more", async () => {
  const clock = fakeClock();
  await using gateway = await testPlugin(http, { port: 0 }, { clock });
  const link = new URL(gateway.urls[1]!);
  await clock.advance(15 * 60_000);
  const answer = ask(`${link.origin}/api/console/session`, { method: "POST", body: JSON.stringify({ code: link.hash.slice(6) }) });
  const late = { done: false };
  const answered = answer.finally(() => (late.done = true));
  await until("it is answered", async () => {
    await clock.advance(250);
    return late.done;
  });
  assert.equal((await answered).status, 401);
});
