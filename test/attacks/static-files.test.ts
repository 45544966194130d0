import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { attackSuite } from "./target/attack-suite.ts";
import type { AttackTarget } from "./target/attack-target.ts";

/** The ways to write one step up. */
const ups = ["..", "%2e%2e", ".%2e", "%252e%252e", "..%00", "..;", "%c0%ae%c0%ae", "%u002e%u002e", "..%5c..", "....", ".. ", "%ff.."];
/** The ways to write a slash. */
const slashes = ["/", "%2f", "%5c", "\\", "//", "%252f", "/./"];
/** What is worth reading. */
const prizes = ["etc/passwd", "data/signing.key", "busbar.json", "rsa.pem", "package.json", "plugins/http/server.ts", "proc/self/environ"];

/** None of the answers is a file of this machine. */
async function assertNoFile(target: AttackTarget, path: string, request: { readonly method?: string; readonly headers?: Readonly<Record<string, string>> } = {}): Promise<void> {
  const { status, body } = await target.http({ path, ...request });
  assert.ok([400, 401, 403, 404, 405, 414, 421, 431].includes(status), `${status} for ${path}: ${body.slice(0, 100)}`);
  assert.ok(!body.includes("root:x:") && !body.includes("PUBLIC KEY") && !body.includes('"workspaces"') && !body.includes("ATTACK_HS256"), path);
}

attackSuite("static files", (attack) => {
  for (const root of ["/", "/console/", "/client/"]) {
    attack(`steps up out of ${root}, written in every way: only files on the list are served`, async (target) => {
      const key = readFileSync(target.path("data/signing.key"), "utf8").trim();
      const paths = ups.flatMap((up) => slashes.flatMap((slash) => prizes.map((prize, at) => root + (up + slash).repeat(1 + (at % 3) * 4) + prize.replaceAll("/", slash))));
      const some = paths.filter((path, at) => !/[ \x00-\x1f]/.test(path) && (at % 5 === 0 || path.includes("../")));
      for (let at = 0; at < some.length; at += 20) await Promise.all(some.slice(at, at + 20).map((path) => assertNoFile(target, path)));
      assert.ok(!target.output.stdout.includes(key));
    });
  }

  attack("files beside those that are served, tests, sources, maps, backups, hidden ones: not on the list, so not there", async (target) => {
    for (const path of ["/console/tsconfig.json", "/console/points.test.ts", "/console/index.html", "/console/main.js.map", "/console/main.js~", "/console/.env", "/console/", "/console", "/client/", "/client/package.json", "/client/file-store.ts", "/client/README.md", "/client/testing/x.ts", "/client/mod.js", "/.git/config", "/.env", "/busbar.yaml", "/busbar.json", "/node_modules/ws/package.json", "/data/busbar.db", "/data/signing.key", "/favicon.ico/../data", "/index.html"]) await assertNoFile(target, path);
  });

  attack("names that differ from a served one by case, a dot, a NUL, a stream or an extension: another name is another file", async (target) => {
    for (const path of ["/Console/main.js", "/console/MAIN.JS", "/console/main.js.", "/console/main.js%00", "/console/main.js%00.html", "/console/main.js::$DATA", "/console/main.js%20", "/console/main.js/", "/console/main%2ejs/x", "/console//main.js", "/console/./x", "/console/main.js;x", "/client/mod.ts%00.js"]) await assertNoFile(target, path);
  });

  attack("a request target that is a whole URL, another host's, a file: or no path at all: nothing is fetched, nothing is read", async (target) => {
    for (const path of ["http://127.0.0.1:1/etc/passwd", "file:///etc/passwd", "//etc/passwd", "/\\etc\\passwd", "http://metadata.example/latest", "gopher://x/", "x", "/http://127.0.0.1/"]) await assertNoFile(target, path);
  });

  attack("methods that write, list or tunnel, PUT, DELETE, TRACE, CONNECT, PROPFIND: not allowed, and nothing comes back", async (target) => {
    for (const method of ["PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "MOVE"]) {
      for (const path of ["/", "/console/main.js", "/api/messages", "/data/x"]) {
        const { status, body } = await target.http({ path, method, token: target.admin(), headers: { "x-mark": "ECHOED" } });
        assert.ok([400, 401, 404, 405, 501].includes(status), `${status} for ${method} ${path}`);
        assert.ok(!body.includes("ECHOED"));
      }
    }
    const socket = await target.raw("http");
    socket.write("CONNECT 127.0.0.1:22 HTTP/1.1\r\nhost: 127.0.0.1:22\r\n\r\n");
    await socket.ended();
    assert.ok(!socket.received.includes(" 200 "));
  });

  attack("ranges by the thousand and validators that are none, on a file that is served: it comes whole, once", async (target) => {
    for (const headers of [{ range: `bytes=${Array.from({ length: 1000 }, (_, at) => `${at}-`).join(",")}` }, { range: "bytes=0-99999999999" }, { "if-none-match": '"'.repeat(2000) }, { "if-modified-since": "never" }]) {
      const { status, raw } = await target.http({ path: "/console/main.js", headers: headers as Record<string, string> });
      assert.ok([200, 206, 304, 416].includes(status));
      assert.ok(raw.length < 200_000);
    }
  });

  attack("requests smuggled by two lengths, a length and chunks, odd spellings: refused, or read as one request", async (target) => {
    const smuggled = "GET /api/devices HTTP/1.1\r\nhost: localhost\r\n\r\n";
    const heads = [
      `content-length: 0\r\ncontent-length: ${smuggled.length}\r\n`,
      `content-length: ${smuggled.length}\r\ntransfer-encoding: chunked\r\n`,
      "transfer-encoding: xchunked\r\n",
      "transfer-encoding : chunked\r\n",
      "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
      "content-length: -1\r\n",
      "content-length: +5\r\n",
      "content-length: 0x10\r\n",
      "content-length: 99999999999999999999\r\n",
      "x: y\r\n z: folded\r\n",
      "x\0y: z\r\n",
      ": empty\r\n",
    ];
    for (const head of heads) {
      const socket = await target.raw("http");
      socket.write(`POST /healthz HTTP/1.1\r\nhost: localhost\r\n${head}connection: close\r\n\r\n0\r\n\r\n${smuggled}`);
      await socket.ended();
      assert.ok((socket.received.match(/HTTP\/1\.1 \d/g) ?? []).length <= 1, `${head}${socket.received}`);
      assert.match(socket.received, /^(?:HTTP\/1\.1 (?:400|405|501) |$)/, head);
    }
  });

  attack("heads of 100 KB, 5,000 headers, a target of 100 KB: 431, before anything is parsed", async (target) => {
    for (const head of [`GET /${"x".repeat(100_000)} HTTP/1.1\r\nhost: localhost\r\n\r\n`, `GET / HTTP/1.1\r\nhost: localhost\r\nx: ${"y".repeat(100_000)}\r\n\r\n`, `GET / HTTP/1.1\r\nhost: localhost\r\n${"a: b\r\n".repeat(20_000)}\r\n`]) {
      const socket = await target.raw("http");
      socket.write(head);
      await socket.says(/^HTTP\/1\.1 (?:431|400|414) /);
      await socket.ended();
    }
  });

  attack("bodies over the limit, by their length or in chunks without end: 413, and no more is read", async (target) => {
    const token = target.token("device-1");
    assert.equal((await target.http({ path: "/api/messages", token, body: `"${"x".repeat(1_100_000)}"` })).status, 413);
    const socket = await target.raw("http");
    socket.write(`POST /api/messages HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`);
    for (let at = 0; at < 40 && !socket.closed; at++) socket.write(`10000\r\n${"x".repeat(65_536)}\r\n`);
    await socket.ended();
    assert.match(socket.received, /^(?:HTTP\/1\.1 413 |$)/); // bytes that nobody reads any more may overtake the answer as a reset
  });

  attack("bodies that are nested 100,000 deep, no JSON, not UTF-8, or of another type: 422, 400 or 415", async (target) => {
    const token = target.token("device-1");
    for (const [body, headers, expected] of [
      ["[".repeat(100_000) + "]".repeat(100_000), {}, 422],
      [`{"type":"status","payload":${"[".repeat(70)}${"]".repeat(70)}}`, {}, 422],
      ["{", {}, 400],
      ["{}", { "content-type": "text/plain" }, 415],
      ["a=b", { "content-type": "application/x-www-form-urlencoded" }, 415],
      ["<x/>", { "content-type": "application/xml" }, 415],
    ] as const) assert.equal((await target.http({ path: "/api/messages", token, body, headers })).status, expected, body.slice(0, 30));
  });
});
