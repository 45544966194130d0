import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { createFixture } from "./app-fixture.ts";
import { openPlugin } from "./plugin-fixture.ts";
import { securityHeaders } from "./security-headers.ts";

/** The head and body of one answer, by header. */
async function ask(port: number, lines: readonly string[]): Promise<{ readonly status: number; readonly headers: ReadonlyMap<string, string>; readonly body: string }> {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  socket.setEncoding("latin1").on("data", (part: string) => (text += part)).on("error", () => {});
  socket.write([...lines, "", ""].join("\r\n"));
  await once(socket, "close");
  const [head = "", body = ""] = text.split("\r\n\r\n", 2);
  const [first = "", ...rest] = head.split("\r\n");
  return { status: Number(first.split(" ")[1]), headers: new Map(rest.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()])), body };
}

const get = (path: string, ...headers: string[]): string[] => [`GET ${path} HTTP/1.1`, "Host: localhost", "Connection: close", ...headers];
const upgrade = ["Connection: Upgrade", "Upgrade: websocket"];

test("every answer has the security headers: of the API, files, 304, errors, other plugins, refused upgrades, and to what is no request", async () => {
  await using shared = await openPlugin();
  shared.http.mount("/extra", () => new Response("<p>", { headers: { "content-type": "text/html", "content-security-policy": "default-src *", "x-powered-by": "something", server: "something" } }));
  shared.http.mount("/elsewhere", () => Response.redirect("http://localhost/extra", 302));
  shared.http.upgrade("/refusing", (_request, socket) => shared.http.refuseUpgrade(socket, { status: 426, detail: "Another version", headers: { "sec-websocket-version": "13" } }));
  const etag = (await ask(shared.port, get("/console/style.css"))).headers.get("etag")!;
  const cases: readonly (readonly [number, readonly string[]])[] = [
    [200, get("/")],
    [200, get("/console/main.js")],
    [304, get("/console/style.css", `If-None-Match: ${etag}`)],
    [200, get("/healthz")],
    [200, get("/openapi.json")],
    [200, get("/metrics")],
    [200, get("/api/devices", "Authorization: Bearer dev")],
    [401, get("/api/devices")],
    [404, get("/nothing")],
    [200, get("/extra")],
    [302, get("/elsewhere")],
    [405, ["DELETE /healthz HTTP/1.1", "Host: localhost", "Connection: close"]],
    [405, ["OPTIONS /healthz HTTP/1.1", "Host: localhost", "Connection: close"]],
    [415, ["POST /api/messages HTTP/1.1", "Host: localhost", "Connection: close", "Authorization: Bearer dev", "Content-Length: 2", "Content-Type: text/plain", "", "{}"]],
    [403, ["POST /api/messages HTTP/1.1", "Host: localhost", "Connection: close", "Origin: https://evil.example", "Content-Length: 0"]],
    [421, ["GET / HTTP/1.1", "Host: evil.example", "Connection: close"]],
    [400, ["GET / HTTP/1.1", "Host: a b", "Connection: close"]],
    [400, ["GET / HTTP/1.1", "Connection: close"]],
    [400, ["GET / HTTP/1.1", "Host: localhost", "Host: localhost", "Connection: close"]],
    [400, ["GET \\x HTTP/1.1", "Host: localhost", "Connection: close"]],
    [400, ["nonsense"]],
    [417, ["POST / HTTP/1.1", "Host: localhost", "Expect: a miracle", "Content-Length: 0"]],
    [404, ["GET /nowhere HTTP/1.1", "Host: localhost", ...upgrade]],
    [403, ["GET /refusing HTTP/1.1", "Host: localhost", "Origin: null", ...upgrade]],
    [426, ["GET /refusing HTTP/1.1", "Host: localhost", ...upgrade]],
  ];
  for (const [status, lines] of cases) {
    const name = lines.join(" · ");
    const { status: got, headers } = await ask(shared.port, lines);
    assert.equal(got, status, name);
    for (const [header, value] of securityHeaders(false)) if (header !== "content-security-policy") assert.equal(headers.get(header), value, `${header} of ${name}`);
    const policy = headers.get("content-security-policy") ?? "";
    assert.match(policy, /^default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'/, name);
    assert.doesNotMatch(policy, /unsafe|\*|data:|blob:/, name);
    assert.match(headers.get("cache-control") ?? "", lines[0]!.startsWith("GET /console/") || lines[0] === "GET / HTTP/1.1" && got === 200 ? /^no-cache$/ : /^no-store$/, name);
    for (const absent of ["server", "x-powered-by", "set-cookie", "access-control-allow-origin", "strict-transport-security"]) assert.equal(headers.get(absent), undefined, `${absent} of ${name}`);
  }
});

test("the policy of the console lets it run its own files and connect to its own host, and nothing become markup", async () => {
  const { call, mounts } = await createFixture();
  mounts.add("/extra", () => new Response("x"));
  const policyOf = async (path: string, host = "gateway.localhost:8080"): Promise<string> => (await call(path, { headers: { host } })).headers.get("content-security-policy")!;
  assert.equal(await policyOf("/"), "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; manifest-src 'self'; connect-src 'self' ws://gateway.localhost:8080 wss://gateway.localhost:8080; require-trusted-types-for 'script'; trusted-types 'none'");
  assert.match(await policyOf("/", "[::1]:8080"), /connect-src 'self' ws:\/\/\[::1\]:8080 wss/);
  assert.match(await policyOf("/extra"), /script-src 'self'.*worker-src 'self'$/, "another plugin's page may use markup of its own");
  assert.equal(await policyOf("/api/devices"), "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
});

test("over TLS every answer tells browsers to come back over TLS only, and the policy has no ws:", async () => {
  const { call } = await createFixture({ config: { tls: { certFile: "cert.pem", keyFile: "key.pem" } } });
  for (const path of ["/", "/healthz", "/nothing"]) {
    const { headers } = await call(path);
    assert.equal(headers.get("strict-transport-security"), "max-age=31536000", path);
    assert.doesNotMatch(headers.get("content-security-policy")!, /ws:/, path);
  }
});
