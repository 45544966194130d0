import assert from "node:assert/strict";
import { varintFraming } from "@busbar/core";
import { attackSuite } from "./target/attack-suite.ts";
import type { AttackTarget } from "./target/attack-target.ts";
import { iotData } from "./target/device-frames.ts";
import { assertNoSession } from "./target/show-token.ts";

const id = "device-1";
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** What would end a string, a statement or a condition in SQL. */
const injections = ["'", "''", '"', "`", ";", "--", "' OR '1'='1", "' OR 1=1 --", "'; DROP TABLE block; --", "1); DELETE FROM point; --", "x' UNION SELECT name FROM sqlite_schema --", "%", "_", "\\", "\\'", "$1", "?", "?1", ":topic", "@a", "\0'", "') OR randomblob(1000000000) --", "'/**/OR/**/1", "x'27", "CHAR(39)", "NULL", "' GLOB '*", "[a-z]*", "*", "X'00'"];

/** Stores two messages and some readings that no injection may bring to light or take away. */
async function seed(target: AttackTarget): Promise<void> {
  const token = target.token("plant/vault", { roles: ["admin"] });
  const body = [{ type: "status", payload: { temperature: 1 }, qos: 1, msgid: "seed-1" }, { type: "event", payload: "kept", qos: 1, msgid: "seed-2" }];
  assert.equal((await target.http({ path: "/api/messages", token, body })).status, 200);
}

/** What was seeded is still there, once. */
async function assertKept(target: AttackTarget): Promise<void> {
  const token = target.admin();
  const { messages } = (await target.http({ path: "/api/messages?topic=event/plant/vault", token })).json<{ readonly messages: readonly { readonly payload: unknown }[] }>();
  assert.deepEqual(messages.map(({ payload }) => payload), ["kept"]);
  const { points } = (await target.http({ path: "/api/series?device=plant/vault&tag=temperature", token })).json<{ readonly points: readonly unknown[] }>();
  assert.equal(points.length, 1);
}

attackSuite("injection", (attack) => {
  attack("SQL in every parameter of the API's queries and paths: each is bound, none is part of a statement", async (target) => {
    await seed(target);
    const token = target.admin();
    for (const text of injections) {
      const coded = encodeURIComponent(text);
      const paths = [
        `/api/messages?topic=${coded}`, `/api/messages?topic=status/%23&cursor=${coded}`, `/api/messages?since=${coded}`, `/api/messages?until=${coded}`, `/api/messages?limit=${coded}`, `/api/messages?order=${coded}`,
        `/api/series?device=${coded}&tag=temperature`, `/api/series?device=plant/vault&tag=${coded}`, `/api/series?device=plant/vault&tag=temperature&since=${coded}`, `/api/series?device=plant/vault&tag=temperature&points=${coded}`,
        `/api/devices?cursor=${coded}`, `/api/devices?limit=${coded}`, `/api/devices/${coded}`, `/api/commands/${coded}`, `/api/audit?cursor=${coded}`, `/api/audit?since=${coded}`, `/api/dead-letters?reader=${coded}`, `/api/dead-letters?after=${coded}`,
      ];
      for (const answer of await Promise.all(paths.map(async (path) => ({ path, ...(await target.http({ path, token })) })))) {
        assert.ok([200, 400, 404].includes(answer.status), `${answer.status} for ${answer.path}: ${answer.body.slice(0, 300)}`);
        assert.ok(!/SQLITE_|syntax error|no such (?:table|column)/.test(answer.body), answer.body);
        if (answer.path.includes("&tag=") && !answer.path.includes("tag=temperature")) assert.ok(answer.status !== 200 || answer.json<{ readonly points: readonly unknown[] }>().points.length === 0, answer.path);
      }
      for (const [path, body] of [["/api/readers/drop", { reader: text }], ["/api/dead-letters/drop", { ids: [text] }], ["/api/dead-letters/replay", { reader: text }]] as const) {
        const { status, body: said } = await target.http({ path, token, body });
        assert.ok([200, 404, 409, 422].includes(status), `${status} for ${path} ${text}: ${said}`);
      }
    }
    await assertKept(target);
  });

  attack("SQL in tags, units, texts and msgids of messages, over WebSocket: they are stored as what they are", async (target) => {
    await seed(target);
    const peer = await target.login("ws", target.token(id), id);
    for (const [at, text] of injections.entries()) {
      const frame = { type: "status", from: id, msgid: `${at} ${text}`.slice(0, 60), qos: 1, retain: true, payload: { values: [{ tag: text, value: at, unit: text }, { tag: "text", value: text }], [text]: text } };
      peer.sendBytes(utf8(JSON.stringify(frame)));
      assert.equal((await peer.next("ack"))["msgid"], frame.msgid);
    }
    const token = target.admin();
    for (const [at, text] of injections.entries()) {
      const { status, body } = await target.http({ path: `/api/series?device=${id}&tag=${encodeURIComponent(text)}`, token });
      assert.equal(status, 200, body);
      assert.deepEqual((JSON.parse(body) as { readonly points: readonly { readonly value: number }[] }).points.map(({ value }) => value), [at], text);
    }
    await assertKept(target);
  });

  attack("SQL in ids that log in, and in the sensor_id of iot-data: a stranger is a stranger, and a tag a tag", async (target) => {
    await seed(target);
    for (const text of injections.slice(0, 12)) {
      await assertNoSession(target, target.token(id), { as: text, transport: "ws" });
      const socket = await target.raw("line");
      for (let times = 0; times < 3; times++) socket.write(varintFraming.frame(iotData(`line-1/${text}`)));
      if (!/^[A-Za-z0-9._:@-]*$/.test(text)) await socket.ended();
    }
    await assertKept(target);
  });

  attack("lines that look like the gateway's own log, in ids, tokens, topics, paths, payloads and reasons: they stay within their field", async (target) => {
    const forged = '{"time":"2026-01-01T00:00:00.000Z","level":"error","message":"FORGED"}';
    const texts = [`x\n${forged}`, `x\r\n${forged}\r\n`, `x\u2028${forged}`, `x\u0085${forged}`, `"}\n${forged}`, `\\n${forged}`, `\u001b[2J\u001b[1;31mFORGED\u001b[0m`, `\u009b31mFORGED`, `\u0000${forged}`, `\u202eDEGROF`, "\b\b\b\bFORGED", "%0a%0dFORGED", "${jndi:ldap://127.0.0.1/FORGED}", "{{FORGED}}", "%s%n%d FORGED"];
    for (const text of texts) {
      await assertNoSession(target, `a.b.${text}`, { as: text, transport: "ws" });
      await assertNoSession(target, text, { as: "somebody", transport: "tcp" });
      const peer = await target.login("ws", target.admin("operator"), "operator");
      for (const frame of [{ type: text, payload: 1 }, { type: "subscribe", topic: text, ref: text }]) {
        peer.sendBytes(utf8(JSON.stringify(frame)));
        await peer.next("error");
      }
      const token = target.admin("operator");
      await target.http({ path: `/api/devices/${encodeURIComponent(text)}?x=${encodeURIComponent(text)}`, token });
      await target.http({ path: `/${encodeURIComponent(text)}`, headers: { "user-agent": "FORGED", "x-request-id": "FORGED", referer: "FORGED" } });
      await target.http({ path: `/api/messages`, token: target.token(id), body: { type: "status", from: text, payload: 1 } });
      const socket = await target.raw("line");
      socket.write(varintFraming.frame(iotData(`line-1/${text}`)));
    }
    const forgeries = target.output.lines.filter((line) => (JSON.parse(line) as { readonly message: string }).message === "FORGED");
    assert.deepEqual(forgeries, []);
  });

  attack("line ends and quotes in whatever becomes a label of a metric: /metrics stays text that Prometheus reads", async (target) => {
    for (const text of ['x"} 1\nforged_total 1', "x\\", "\n# TYPE forged counter\nforged 1", "x\r\ny"]) {
      await assertNoSession(target, target.token(id), { as: text, transport: "ws" });
      await target.http({ path: `/${encodeURIComponent(text)}`, method: "GET" });
    }
    const lines = (await target.metrics()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    for (const line of lines) assert.match(line, /^busbar_[a-z_]+(?:\{(?:[a-z_]+="[^"\\\n]*",?)+\})? [\d.e+-]+$/);
  });

  attack("line ends in a request target or a header, to forge a header of the answer: it never becomes a request, or never comes back", async (target) => {
    for (const path of ["/%0d%0aset-cookie:forged=1", "/x%0d%0a%0d%0a<b>forged</b>", "/api/devices/%0d%0aset-cookie:forged=1", "/\\r\\nset-cookie:forged=1"]) {
      const { headers, raw } = await target.http({ path, token: target.admin() });
      assert.equal(headers["set-cookie"], undefined, path);
      assert.ok(!raw.slice(0, raw.indexOf("\r\n\r\n")).includes("forged"), path);
    }
  });

  attack("markup in ids, paths and bodies: every answer is JSON, not to be sniffed, and shows none of it as markup", async (target) => {
    const script = "<script>alert(1)</script>";
    for (const request of [{ path: `/${encodeURIComponent(script)}` }, { path: `/api/devices/${encodeURIComponent(script)}` }, { path: `/api/messages?topic=${encodeURIComponent(script)}` }, { path: "/api/messages", body: { type: script, payload: script } }]) {
      const { headers } = await target.http({ ...request, token: target.admin() });
      assert.match(headers["content-type"] ?? "", /^application\/(?:problem\+)?json/);
      assert.equal(headers["x-content-type-options"], "nosniff");
    }
  });
});
