import assert from "node:assert/strict";
import { until } from "@busbar/core/testkit";
import { attackSuite } from "./target/attack-suite.ts";
import { sumOf } from "./target/assert-unharmed.ts";
import type { AttackTarget } from "./target/attack-target.ts";
import { parseAnswer, type HttpAnswer } from "./target/http-request.ts";
import { Spy } from "./target/spy.ts";

/** An answer to an upgrade request, or undefined when the connection became a WebSocket. */
async function upgrade(target: AttackTarget, headers: Readonly<Record<string, string>> = {}, path = "/ws"): Promise<HttpAnswer | undefined> {
  const socket = await target.raw("http");
  const all = { host: `127.0.0.1:${target.port("http")}`, connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13", "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==", ...headers };
  socket.write(`GET ${path} HTTP/1.1\r\n${Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`);
  const [, status] = await socket.says(/^HTTP\/1\.1 (\d{3}) /);
  if (status === "101") return undefined;
  await socket.ended();
  return parseAnswer(socket.received);
}

/** Sends bytes and gives the statuses of all answers that come before the connection ends. */
async function statusesOf(target: AttackTarget, bytes: string): Promise<readonly string[]> {
  const socket = await target.raw("http");
  socket.write(bytes);
  await socket.ended();
  return [...socket.received.matchAll(/HTTP\/1\.[01] (\d{3})/g)].map(([, status]) => status!);
}

/** Nobody hears anything of it, but for what `run` sends in order. */
async function assertNothingHeard(target: AttackTarget, run: () => Promise<void>): Promise<void> {
  const spy = await Spy.open(target);
  await run();
  assert.deepEqual((await spy.heard()).map((frame) => frame), []);
}

const refusals = async (target: AttackTarget, reason: "origin" | "host"): Promise<number> => sumOf(await target.metrics(), "busbar_http_refused_total", `reason="${reason}"`);

const message = { type: "status", payload: "forged" };

/** Origins that look like ours, on that port, and are not. */
const lookAlikes = (port: number): readonly string[] => [
  `http://127.0.0.1.evil.example:${port}`, `http://evil.example:${port}`, `http://127.0.0.1:${port}.evil.example`, `http://127.0.0.1:${port}@evil.example`, `http://user@127.0.0.1:${port}`, `http://127.0.0.1:${port + 1}`, `http://127.0.0.1`, `http://127.0.0.1:${port}0`,
  `https://127.0.0.1:${port}`, `http://localhost:${port}`, `http://127.0.0.2:${port}`, `http://127.0.0.1:${port}/`, `http://127.0.0.1:${port}, http://evil.example`, `ws://127.0.0.1:${port}`, `//127.0.0.1:${port}`, `127.0.0.1:${port}`, "file://", "chrome-extension://abcdefghijklmnop", "about:blank", "*", "undefined",
];

attackSuite("browser", (attack) => {
  attack("a cross-site WebSocket (CSWSH), also with a good token in hand: its Origin is refused before the handshake, counted and logged", async (target) => {
    const before = await refusals(target, "origin");
    for (const headers of [{ origin: "https://evil.example" }, { origin: "https://evil.example", authorization: `Bearer ${target.admin()}` }]) {
      const answer = await upgrade(target, headers);
      assert.equal(answer?.status, 403);
      assert.equal(answer.headers["content-type"], "application/problem+json");
      assert.equal(answer.headers["sec-websocket-accept"], undefined);
    }
    assert.equal((await refusals(target, "origin")) - before, 2);
    await until("the log names the page", () => target.output.stderr.includes("https://evil.example"));
    assert.equal(await upgrade(target), undefined, "a device, which has no Origin, comes in");
    assert.equal(await upgrade(target, { origin: `http://127.0.0.1:${target.port("http")}` }), undefined, "and so does our own page");
  });

  attack("a cross-site WebSocket from a page that hides where it is from, a sandboxed frame or a file: Origin null is nobody's", async (target) => {
    assert.equal((await upgrade(target, { origin: "null" }))?.status, 403);
    assert.equal((await upgrade(target, { origin: "" }))?.status, 403);
  });

  attack("a cross-site WebSocket from an origin that looks like ours, by prefix, suffix, user, port, scheme or name: origins are compared whole", async (target) => {
    for (const origin of lookAlikes(target.port("http"))) assert.equal((await upgrade(target, { origin }))?.status, 403, origin);
  });

  attack("a cross-site upgrade without Origin, or to another protocol or path: Sec-Fetch-Site tells, and the check comes before any handler", async (target) => {
    for (const site of ["cross-site", "same-site"]) assert.equal((await upgrade(target, { "sec-fetch-site": site }))?.status, 403, site);
    assert.equal((await upgrade(target, { origin: "https://evil.example", upgrade: "h2c" }))?.status, 403);
    assert.equal((await upgrade(target, { origin: "https://evil.example" }, "/mqtt"))?.status, 403);
    assert.equal((await upgrade(target, { origin: `http://127.0.0.1:${target.port("http")}`, "sec-fetch-site": "cross-site" }))?.status, 403);
  });

  attack("a name of the attacker's, pointed at this machine (DNS rebinding), for the console, the API, metrics and WebSocket: Host is none of ours", async (target) => {
    const before = await refusals(target, "host");
    const port = target.port("http");
    const token = target.admin();
    const hosts = [`evil.example:${port}`, `127.0.0.1.evil.example:${port}`, `localhost.evil.example:${port}`, `127.0.0.1.nip.io:${port}`, "gateway", `EVIL.example.:${port}`];
    for (const host of hosts) {
      for (const path of ["/", "/api/devices", "/metrics", "/healthz", "/console/main.js", "/nothing"]) assert.equal((await target.http({ path, token, headers: { host } })).status, 421, `${host} ${path}`);
      assert.equal((await upgrade(target, { host, origin: `http://${host}` }))?.status, 421, host);
    }
    assert.equal((await refusals(target, "host")) - before, hosts.length * 7);
    for (const host of [`localhost:${port}`, `LOCALHOST:${port}`, `[::1]:${port}`, `127.0.0.1:${port}`]) assert.equal((await target.http({ path: "/", headers: { host } })).status, 200, host);
  });

  attack("a form of another site that posts to the API (CSRF), in each of the three encodings, even with a token: its Origin is refused", async (target) => {
    await assertNothingHeard(target, async () => {
      for (const type of ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", "application/json"]) {
        for (const origin of ["https://evil.example", "null", ...lookAlikes(target.port("http")).slice(0, 6)]) {
          const { status } = await target.http({ path: "/api/messages", token: target.admin(), headers: { "content-type": type, origin }, body: message });
          assert.equal(status, 403, `${type} ${origin}`);
        }
      }
    });
  });

  attack("a simple request of another site's page without Origin: Sec-Fetch-Site gives it away, in every method that may change something", async (target) => {
    const token = target.admin();
    await assertNothingHeard(target, async () => {
      for (const method of ["POST", "PUT", "PATCH", "DELETE"]) for (const site of ["cross-site", "same-site"]) assert.equal((await target.http({ method, path: "/api/messages", token, headers: { "sec-fetch-site": site }, body: message })).status, 403, `${method} ${site}`);
      assert.equal((await target.http({ path: "/api/console/session", headers: { "sec-fetch-site": "cross-site" }, body: { code: "x" } })).status, 403);
    });
  });

  attack("JSON as text/plain, as a form or without a type, which need no preflight: a body is application/json or refused", async (target) => {
    const token = target.admin();
    await assertNothingHeard(target, async () => {
      for (const type of ["text/plain", "text/plain; charset=application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=application/json", "text/json", "", "application/jsonp", "application/json-seq", "text/plain, application/json"]) {
        assert.equal((await target.http({ path: "/api/messages", token, headers: { "content-type": type }, body: message })).status, 415, type);
      }
    });
  });

  attack("a session in a cookie: none is ever set, and none is taken", async (target) => {
    const token = target.admin();
    for (const path of ["/", "/api/devices", "/metrics", "/healthz", "/openapi.json", "/console/main.js"]) assert.equal((await target.http({ path, token })).headers["set-cookie"], undefined, path);
    for (const name of ["token", "access_token", "Authorization", "busbar.session", "session"]) assert.equal((await target.http({ path: "/api/devices", headers: { cookie: `${name}=${token}; ${name}=Bearer%20${token}` } })).status, 401, name);
  });

  attack("another method by X-HTTP-Method-Override and the like: only the request line says the method", async (target) => {
    const token = target.admin();
    await assertNothingHeard(target, async () => {
      for (const name of ["x-http-method-override", "x-http-method", "x-method-override"]) {
        assert.equal((await target.http({ path: "/api/messages", token, headers: { [name]: "POST" } })).status, 200, "it is a GET");
        assert.equal((await target.http({ path: "/api/messages", token, headers: { [name]: "GET", origin: "https://evil.example" }, body: message })).status, 403, name);
      }
      assert.equal((await target.http({ path: "/api/messages?_method=POST", token })).status, 400, "an unknown parameter");
      assert.equal((await target.http({ method: "TRACE", path: "/api/messages", token, headers: { "x-secret": "echo-me" } })).raw.includes("echo-me"), false);
    });
  });

  attack("reading the API from another site's page with a forged or reflected Origin: no CORS header, no preflight is granted", async (target) => {
    const token = target.admin();
    for (const origin of ["https://evil.example", "null", ...lookAlikes(target.port("http"))]) {
      const answers = [
        await target.http({ path: "/api/devices", token, headers: { origin } }),
        await target.http({ method: "OPTIONS", path: "/api/messages", headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type", "access-control-request-private-network": "true" } }),
      ];
      for (const { headers } of answers) assert.deepEqual(Object.keys(headers).filter((name) => name.startsWith("access-control-")), [], origin);
    }
  });

  attack("a good token in the URL of an upgrade, or as a subprotocol: neither lets in, and no log shows it", async (target) => {
    const token = target.admin();
    const socket = await target.raw("http");
    const head = (path: string, protocol: string): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ${protocol}\r\n\r\n`;
    const ping = Buffer.from([0x81, 0x8f, 0, 0, 0, 0, ...Buffer.from('{"type":"ping"}')]);
    socket.write(head(`/ws?token=${token}&access_token=${token}`, `busbar.v1.json, ${token}, bearer.${token}`)).write(ping);
    await socket.ended();
    assert.match(socket.received, /sec-websocket-protocol: busbar\.v1\.json\r\n/i);
    assert.ok(socket.received.includes("\x11\x31"), "4401: the first frame was no auth frame");
    assert.ok(!socket.received.includes("pong"));
  });

  attack("a Referer that carries what the address bar had: the page sends none, and no answer says where to go", async (target) => {
    for (const path of ["/", "//evil.example", "/\\evil.example", "/%2f%2fevil.example", "/?next=https://evil.example", "/console/main.js"]) {
      const { headers } = await target.http({ path });
      assert.equal(headers["referrer-policy"], "no-referrer", path);
      assert.equal(headers["location"], undefined, path);
    }
  });

  attack("a device's payload that is HTML, opened in a browser (MIME sniffing): it stays JSON", async (target) => {
    const token = target.admin();
    const html = "<!doctype html><script>alert(1)</script>";
    assert.equal((await target.http({ path: "/api/messages", token, body: { type: "event", payload: html, msgid: "sniffed", qos: 1 } })).status, 200);
    for (const path of ["/api/messages?topic=event/%23&limit=10000", `/api/${encodeURIComponent(html)}`, `/api/devices/${encodeURIComponent(html)}`, "/api/commands/%3Cscript%3E"]) {
      const { headers } = await target.http({ path, token });
      assert.match(headers["content-type"] ?? "", /^application\/(?:problem\+)?json$/, path);
      assert.equal(headers["x-content-type-options"], "nosniff", path);
      assert.match(headers["content-security-policy"] ?? "", /^default-src 'none'/, path);
      assert.equal(headers["cross-origin-resource-policy"], "same-origin", path);
    }
  });

  attack("line breaks in an id, a msgid or a path, to write headers of one's own (CRLF injection): what goes into Location is encoded, the rest refused", async (target) => {
    const token = target.admin();
    const breaks = ["\r\nSet-Cookie: a=b\r\n\r\n<script>", "\nX-Injected: 1", "\r", "\u0000", "嘊嘍Set-Cookie: a=b", "\u2028"];
    for (const text of breaks) {
      const command = await target.http({ path: "/api/devices/press-9/commands", token, body: { payload: 1, ttl: 60, msgid: `m-${text}`.slice(0, 20) } });
      const answers = [command, await target.http({ path: `/api/devices/${encodeURIComponent(text)}/commands`, token, body: { payload: 1 } }), await target.http({ path: `/${encodeURIComponent(text)}`, token }), await target.http({ path: `/api/messages?topic=${encodeURIComponent(text)}`, token })];
      for (const { headers, raw } of answers) {
        assert.equal(headers["set-cookie"], undefined);
        assert.equal(headers["x-injected"], undefined);
        assert.match(raw.slice(0, raw.indexOf("\r\n\r\n")), /^[\x20-\x7e\r\n]+$/, "the head is plain text");
      }
    }
  });

  attack("a msgid that is half a character, which no URL can hold: refused, not a failure of ours", async (target) => {
    const { status } = await target.http({ path: "/api/devices/press-9/commands", token: target.admin(), body: '{"payload":1,"ttl":60,"msgid":"x\\ud800"}' });
    assert.equal(status, 422);
  });

  attack("junk as Host, to put it into a policy, a link or a cache: 400, and no answer repeats it", async (target) => {
    for (const host of ["", "a b", "localhost; script-src *", "localhost/../evil", "user@localhost", "localhost:99999", "localhost:80:80", "<script>alert(1)</script>", "[::1", "localhost,evil.example", "%0d%0aSet-Cookie:a=b", "localhost\t", "é.example", "x".repeat(5000)]) {
      const { status, raw } = await target.http({ path: "/", headers: { host } });
      if (host === "localhost\t") assert.equal(status, 200, "white space around a value is no part of it");
      else assert.ok(status === 400 || (status === 421 && host.startsWith("xxx")), `${host}: ${status}`);
      assert.ok(!/script-src \*|<script>|evil|set-cookie/i.test(raw), host);
    }
    for (const name of ["x-forwarded-host", "x-host", "x-original-url", "x-rewrite-url", "forwarded"]) {
      const { status, raw } = await target.http({ path: "/", headers: { [name]: "/evil.example" } });
      assert.equal(status, 200);
      assert.ok(!raw.includes("evil"), name);
    }
  });

  attack("two Hosts, none, or a target for another host: what a proxy may have read differently is refused", async (target) => {
    const close = "Connection: close\r\n\r\n";
    assert.deepEqual(await statusesOf(target, `GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n${close}`), ["400"]);
    assert.deepEqual(await statusesOf(target, `GET /healthz HTTP/1.1\r\n${close}`), ["400"]);
    assert.deepEqual(await statusesOf(target, `GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n${close}`), ["421"]);
    assert.deepEqual(await statusesOf(target, `GET http://localhost/healthz HTTP/1.1\r\nHost: localhost\r\n${close}`), ["200"]);
  });

  attack("request smuggling, by two lengths, a length with chunks, lengths and chunks that are none, folded lines and bare line feeds: 400, and the hidden request is never done", async (target) => {
    const token = target.admin();
    const hidden = JSON.stringify({ type: "event", payload: "smuggled" });
    const inner = `POST /api/messages HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: ${hidden.length}\r\nConnection: close\r\n\r\n${hidden}`;
    const outer = (...headers: string[]): string => `POST /api/console/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${headers.map((line) => `${line}\r\n`).join("")}\r\n`;
    await assertNothingHeard(target, async () => {
      for (const bytes of [
        outer("Content-Length: 6", "Transfer-Encoding: chunked") + `0\r\n\r\n${inner}`,
        outer("Transfer-Encoding: chunked", "Content-Length: 6") + `0\r\n\r\n${inner}`,
        outer("Content-Length: 0", `Content-Length: ${inner.length}`) + inner,
        outer(`Content-Length: ${inner.length}, 0`) + inner,
        outer("Content-Length: +0") + inner,
        outer("Content-Length: 0x0") + inner,
        outer("Content-Length: -1") + inner,
        outer("Content-Length : 0") + inner,
        outer("Content-Length:", " 0") + inner,
        outer("Transfer-Encoding: xchunked") + `0\r\n\r\n${inner}`,
        outer("Transfer-Encoding: chunked, identity") + `0\r\n\r\n${inner}`,
        outer("Transfer-Encoding : chunked") + `0\r\n\r\n${inner}`,
        outer("Transfer-Encoding: chunked") + `zz\r\n\r\n${inner}`,
        outer("Transfer-Encoding: chunked") + `-1\r\n\r\n${inner}`,
        outer("Transfer-Encoding: chunked") + `fffffffffffffffff\r\n${inner}`,
        outer("Transfer-Encoding: chunked") + `2\r\n{}${inner}`,
        `GET /healthz HTTP/1.1\nHost: localhost\nContent-Length: 0\n\n${inner}`,
        `GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: y\rContent-Length: 0\r\n\r\n${inner}`,
        `GET /healthz\r\n\r\n${inner}`,
        `GET /healthz HTTP/9.9\r\nHost: localhost\r\n\r\n${inner}`,
      ]) {
        const statuses = await statusesOf(target, bytes);
        assert.ok(statuses.length <= 1 && (statuses[0] ?? "400") === "400", `${JSON.stringify(bytes.slice(0, 200))}: ${statuses.join(" ")}`);
      }
    });
  });

  attack("another site's address in the query or the fragment of ours, to be loaded by the page: no such parameter is read, and its policy names this host alone", async (target) => {
    const { headers, body } = await target.http({ path: "/?src=https://evil.example/x.js&url=javascript:alert(1)" });
    assert.ok(!body.includes("evil"));
    const port = target.port("http");
    assert.match(headers["content-security-policy"] ?? "", new RegExp(`script-src 'self';.*connect-src 'self' ws://127\\.0\\.0\\.1:${port} wss://127\\.0\\.0\\.1:${port};.*require-trusted-types-for 'script'; trusted-types 'none'$`));
    assert.doesNotMatch(body, /<script(?![^>]*\bsrc="\/console\/)|<style|\son\w+\s*=|javascript:|style="/i);
  });
});
