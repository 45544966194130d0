import assert from "node:assert/strict";
import { test } from "node:test";
import { createFixture, problemIn } from "./app-fixture.ts";
import { consoleFiles } from "./page.ts";

test("createApp() answers 401 with WWW-Authenticate without a token and with one that is not believed", async () => {
  const { call, lines } = await createFixture();
  const none = await call("/api/devices");
  assert.equal(none.status, 401);
  assert.equal(none.headers.get("www-authenticate"), 'Bearer realm="busbar"');
  const forged = await call("/api/devices", { token: "forged" });
  assert.equal(forged.status, 401);
  assert.match(forged.headers.get("www-authenticate")!, /invalid_token/);
  assert.doesNotMatch(JSON.stringify(await problemIn(forged)), /forged/, "why is for the log alone");
  assert.ok(lines.some(({ fields }) => String(fields["reason"]).includes("forged")));
  assert.equal((await call("/api/devices", { headers: { authorization: "Basic YTpi" } })).status, 401);
  assert.equal((await call("/api/messages", { text: "x".repeat(2 ** 21) })).status, 401, "before the body is read");
});

test("createApp() logs and counts what it refuses to somebody it knows", async () => {
  const { call, lines } = await createFixture();
  assert.equal((await call("/api/messages", { token: "app:status/#" })).status, 403);
  assert.equal((await call("/api/messages", { token: "app:status/#", body: { type: "event", payload: 1 } })).status, 403);
  assert.match(await (await call("/metrics", { remote: "127.0.0.1" })).text(), /^busbar_http_refused_total\{reason="forbidden"\} 2$/m);
  assert.ok(lines.some(({ level, fields }) => level === "warn" && fields["principal"] === "app"));
});

test("createApp() answers 404 and 405 as problems", async () => {
  const { call } = await createFixture();
  const unknown = await call("/nothing/here");
  assert.equal(unknown.status, 404);
  await problemIn(unknown);
  const wrong = await call("/api/messages", { method: "DELETE", token: "app:#" });
  assert.equal(wrong.status, 405);
  assert.deepEqual(wrong.headers.get("allow")!.split(", ").sort(), ["GET", "HEAD", "POST"]);
  await problemIn(wrong);
});

test("createApp() answers an unforeseen error with 500 and says why only in the log", async () => {
  const { call, mounts, lines } = await createFixture();
  mounts.add("/broken", () => {
    throw new Error("password is hunter2");
  });
  const response = await call("/broken");
  assert.equal(response.status, 500);
  assert.deepEqual(await problemIn(response), { type: "about:blank", title: "Internal Server Error", status: 500, code: "INTERNAL" });
  assert.ok(lines.some(({ level, fields }) => level === "error" && fields["reason"] === "password is hunter2"));
});

test("createApp() serves the routes of other plugins, at and below their paths", async () => {
  const { call, mounts } = await createFixture();
  const remove = mounts.add("/extra", (request) => new Response(new URL(request.url).pathname));
  assert.equal(await (await call("/extra/deep")).text(), "/extra/deep");
  assert.equal((await call("/extraordinary")).status, 404);
  remove();
  assert.equal((await call("/extra")).status, 404);
});

test("createApp() lets the pages of the named origins call the API, and no others", async () => {
  const { call } = await createFixture({ config: { cors: { origins: ["https://panel.example"] } } });
  const preflight = (origin: string): Promise<Response> => call("/api/messages", { method: "OPTIONS", headers: { origin, "access-control-request-method": "POST" } });
  assert.equal((await preflight("https://panel.example")).headers.get("access-control-allow-origin"), "https://panel.example");
  assert.equal((await preflight("https://evil.example")).headers.get("access-control-allow-origin"), null);
  const refused = await call("/api/devices", { headers: { origin: "https://panel.example" } });
  assert.deepEqual([refused.status, refused.headers.get("access-control-allow-origin")], [401, "https://panel.example"], "its page can read why");
  const closed = await createFixture();
  assert.equal((await closed.call("/healthz", { headers: { origin: "https://panel.example" } })).headers.get("access-control-allow-origin"), null);
});

test("createApp() says whether it is alive and ready", async () => {
  const fixture = await createFixture();
  assert.equal((await fixture.call("/healthz")).status, 200);
  assert.equal((await fixture.call("/readyz")).status, 200);
  fixture.missing = ["storage-sqlite: restarting"];
  const response = await fixture.call("/readyz");
  assert.equal(response.status, 503);
  assert.deepEqual((await problemIn(response))["missing"], ["storage-sqlite: restarting"]);
  assert.equal((await fixture.call("/healthz")).status, 200);
});

test("createApp() gives metrics to this machine and to holders of the right", async () => {
  const { call } = await createFixture();
  const of = async (options: object): Promise<number> => (await call("/metrics", options)).status;
  const text = await (await call("/metrics", { remote: "127.0.0.1" })).text();
  assert.match(text, /^busbar_http_requests_total\{status="2xx"\} 0$/m);
  assert.equal(await of({ remote: "::1", headers: { host: "[::1]:8080" } }), 200);
  assert.equal(await of({}), 401);
  assert.equal(await of({ token: "app:status/#" }), 403);
  assert.equal(await of({ token: "prometheus:gateway/#" }), 200);
  assert.equal(await of({ remote: "127.0.0.1", headers: { host: "evil.example" } }), 421, "DNS rebinding");
  assert.equal(await of({ remote: "127.0.0.1", headers: { host: "192.0.2.7" } }), 401, "it meant another machine");
  assert.equal(await of({ remote: "127.0.0.1", headers: { "sec-fetch-site": "cross-site" } }), 401, "another site's page");
  assert.equal(await of({ remote: "127.0.0.1", headers: { "sec-fetch-site": "same-origin" } }), 200);
  assert.equal(await of({ remote: "127.0.0.1", headers: { "x-forwarded-for": "203.0.113.9" } }), 401, "a proxy");
  assert.match(await (await call("/metrics", { remote: "127.0.0.1" })).text(), /^busbar_http_requests_total\{status="4xx"\} 6$/m);
  assert.equal((await (await createFixture({ config: { metrics: "open" } })).call("/metrics")).status, 200);
  assert.equal((await (await createFixture({ config: { metrics: "token" } })).call("/metrics", { remote: "127.0.0.1" })).status, 401);
});

test("createApp() shows plugins and flows to holders of the right, without the secret of the console link", async () => {
  const { call } = await createFixture();
  assert.equal((await call("/api/plugins", { token: "app:status/#" })).status, 403);
  assert.equal((await call("/api/flows", { token: "app:status/#" })).status, 403);
  const { plugins } = (await (await call("/api/plugins", { token: "app:gateway/#" })).json()) as { plugins: { id: string; addresses: unknown }[] };
  assert.deepEqual(plugins.find(({ id }) => id === "subject")?.addresses, [{ what: "Console", url: "http://127.0.0.1:8080/" }]);
  const { nodes } = (await (await call("/api/flows", { token: "app:gateway/#" })).json()) as { nodes: { id: string }[] };
  assert.ok(nodes.some(({ id }) => id === "subject"));
});

test("createApp() serves the console page from files of its own, without anything inline", async () => {
  const { call } = await createFixture();
  const html = await (await call("/")).text();
  assert.doesNotMatch(html, /<script(?![^>]*src=)|<style|\son\w+=|style="/);
  for (const [path] of consoleFiles()) {
    const response = await call(path);
    assert.equal(response.status, 200, path);
    const etag = response.headers.get("etag")!;
    assert.equal((await call(path, { headers: { "if-none-match": etag } })).status, 304, path);
    if (!/\.[jt]s$/.test(path) || path === "/console/uplot.js") continue;
    const code = await response.text();
    for (const [, imported] of code.matchAll(/^(?:import|export)[^;"]*from "([^"]+)"/gm)) assert.ok(consoleFiles().has(new URL(imported!, `http://gateway${path}`).pathname), `${path} imports ${imported}`);
    assert.equal(response.headers.get("content-type"), "text/javascript; charset=utf-8");
    assert.doesNotMatch(code, /^(?:interface|type|import type) /m, "types are gone");
  }
  for (const path of ["/console/tsconfig.json", "/console/..%2fconfig.ts", "/console/../config.ts", "/client/tcp.ts", "/client/file-store.ts", "/client/publish.test.ts", "/client/package.json"]) assert.equal((await call(path)).status, 404, path);
  const closed = await createFixture({ config: { console: false } });
  assert.equal((await closed.call("/")).status, 404);
  assert.equal((await closed.call("/api/console/session", { body: { code: "x" } })).status, 404);
});
