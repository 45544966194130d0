import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { commandFor } from "@busbar/core";
import { attackSuite } from "./target/attack-suite.ts";
import { sessionTransports, type AttackTarget } from "./target/attack-target.ts";
import { envelopeFrame } from "./target/device-frames.ts";
import { Spy } from "./target/spy.ts";

const id = "device-1";
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Fields that would give rights or change messages if every object had them, as JSON text. */
const gains = '{"user":true,"roles":["admin"],"retain":true,"qos":2,"expires":1,"from":"operator","to":"all","polluted":"yes","topic":"#","status":"error"}';
const payloads = [`{"__proto__":${gains}}`, `{"constructor":{"prototype":${gains}}}`, `{"values":[{"tag":"__proto__","value":1},{"tag":"constructor","value":2}]}`, `{"a":{"__proto__":{"__proto__":${gains}}}}`, `{"values":[{"__proto__":${gains},"tag":"t","value":1}]}`];

/** Nothing that the gateway makes has gained anything: a message without these fields is as it was said, a stranger is one, and nothing answers with the mark. */
async function assertClean(target: AttackTarget): Promise<void> {
  const spy = await Spy.open(target, `note/${id}`);
  const peer = await target.login("ws", target.token(id, { roles: ["admin"] }), id);
  peer.sendBytes(utf8(`{"type":"note","from":"${id}","payload":{}}`));
  peer.sendBytes(utf8('{"type":"ping"}'));
  await peer.next("pong");
  const [heard, ...more] = await spy.heard();
  assert.deepEqual(more, []);
  assert.deepEqual([heard!["from"], heard!["to"], heard!["qos"], heard!["retain"], heard!["expires"], heard!["payload"]], [id, "server", 0, false, undefined, {}]);
  const nobody = await target.login("ws", target.token("nobody", { roles: [] }), "nobody");
  nobody.send({ kind: "subscribe", topic: "#", qos: 0, since: undefined, ref: "r", binary: false });
  assert.equal((await nobody.next("error"))["code"], "FORBIDDEN");
  for (const path of ["/readyz", "/openapi.json", "/api/plugins", "/api/devices/nobody"]) assert.ok(!(await target.http({ path, token: target.admin() })).body.includes("polluted"), path);
}

/** Runs `busbar check` on a config. */
async function check(name: string, config: string): Promise<{ readonly code: number | null; readonly said: string }> {
  const folder = await mkdtemp(join(tmpdir(), "busbar-pollution-"));
  try {
    await writeFile(join(folder, name), config);
    const [program, ...args] = commandFor(fileURLToPath(new URL("../../cli/main.ts", import.meta.url)));
    const child = spawn(program, [...args, "check", name], { cwd: folder, env: { ...process.env, NO_COLOR: "1" }, stdio: ["ignore", "pipe", "pipe"] });
    const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
    const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
    return { code, said: stdout + stderr };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

attackSuite("prototype pollution", (attack) => {
  for (const transport of sessionTransports) {
    attack(`__proto__ and constructor in payloads over ${transport}: they are names like others, and pass as they came`, async (target) => {
      const spy = await Spy.open(target, `status/${id}`);
      const peer = await target.login(transport, target.token(id), id);
      for (const [at, payload] of payloads.entries()) peer.sendBytes(transport === "ws" ? utf8(`{"type":"status","from":"${id}","msgid":"${transport}-${at}","qos":1,"payload":${payload}}`) : envelopeFrame({ type: "status", from: id, msgid: `${transport}-${at}`, qos: 1, json: payload }));
      for (const _ of payloads) await peer.next("ack");
      assert.deepEqual((await spy.heard()).map(({ payload }) => JSON.stringify(payload)), payloads.map((payload) => JSON.stringify(JSON.parse(payload))));
      await assertClean(target);
    });
  }

  attack("__proto__ beside the fields of a frame, of a batch, of each of its messages, of a will: nothing is taken from it", async (target) => {
    const spy = await Spy.open(target, "status/#");
    const peer = await target.login("ws", target.token(id), id);
    for (const frame of [
      `{"type":"status","__proto__":${gains},"payload":1}`,
      `{"__proto__":{"type":"status","payload":1,"from":"operator"}}`,
      `{"type":"batch","__proto__":${gains},"data":[{"type":"status","__proto__":${gains},"payload":2}]}`,
      `{"type":"constructor","payload":1}`,
      `{"type":"__proto__","payload":1}`,
      `{"type":"subscribe","__proto__":{"topic":"#"},"topic":"status/${id}x","ref":"p"}`,
      `{"type":"ping"}`,
    ]) peer.sendBytes(utf8(frame));
    await peer.next("pong");
    assert.deepEqual((await spy.heard()).map(({ from, to, qos, retain, payload }) => [from, to, qos, retain, payload]), [[id, "server", 0, false, 1], [id, "server", 0, false, 2]]);
    await assertClean(target);
  });

  attack("types and ids called toString, valueOf, hasOwnProperty: they are tokens and ids like others", async (target) => {
    for (const name of ["toString", "valueOf", "hasOwnProperty", "__proto__", "constructor", "prototype"]) {
      const peer = await target.login("tcp", target.token(name), name);
      peer.publish({ type: "status", from: name, msgid: "m", qos: 1, payload: { [name]: 1 } });
      assert.equal((await peer.next("ack"))["status"], "ok");
      const token = target.admin();
      const device = (await target.http({ path: `/api/devices/${name}`, token })).json();
      assert.equal(device["id"], name);
      assert.equal((await target.http({ path: `/api/series?device=${name}&tag=${name}`, token })).status, 200);
    }
    await assertClean(target);
  });

  attack("__proto__ in the body and the query of the API: unknown names are refused, or are payload", async (target) => {
    const token = target.admin();
    for (const payload of payloads) assert.equal((await target.http({ path: "/api/messages", token, body: `{"type":"status","payload":${payload}}` })).status, 200);
    const bodies = [`{"type":"status","payload":1,"__proto__":${gains}}`, `{"type":"status","payload":1,"constructor":${gains}}`, `[{"__proto__":{"type":"status","payload":1}}]`];
    for (const body of bodies) assert.ok([200, 422].includes((await target.http({ path: "/api/messages", token, body })).status), body);
    for (const query of ["__proto__[polluted]=yes", "__proto__.polluted=yes", "constructor[prototype][polluted]=yes", "__proto__=yes", "constructor=yes", "topic[__proto__][polluted]=yes", "limit=1&__proto__[user]=true"]) {
      for (const path of ["/api/messages", "/api/devices", "/api/audit"]) assert.ok([200, 400].includes((await target.http({ path: `${path}?${query}`, token })).status), `${path}?${query}`);
    }
    await assertClean(target);
  });

  attack("__proto__ as a tag of readings, through routes that pick, rename and set: it becomes a name, and nothing else", async (target) => {
    const peer = await target.login("ws", target.token(id), id);
    for (const [at, payload] of payloads.entries()) peer.sendBytes(utf8(`{"type":"event","from":"${id}","msgid":"route-${at}","qos":1,"payload":${payload}}`));
    for (const _ of payloads) await peer.next("ack");
    await assertClean(target);
  });

  attack("__proto__ and constructor in a config, in YAML and in JSON: the check refuses them as unknown keys, and the gateway does not start", async (target) => {
    const yaml = (more: string): string => `plugins:\n  http: { port: 0 }\n${more}`;
    const configs = [
      ["busbar.json", '{"plugins":{"http":{"port":0}},"__proto__":{"polluted":"yes"}}'],
      ["busbar.json", '{"plugins":{"http":{"port":0,"__proto__":{"host":"0.0.0.0","insecure":true}}}}'],
      ["busbar.json", '{"plugins":{"http":{"port":0,"constructor":{"prototype":{"insecure":true}}}}}'],
      ["busbar.json", '{"plugins":{"__proto__":{"use":"http","port":0}}}'],
      ["busbar.json", '{"plugins":{"http":{"port":0}},"routes":[{"from":"event/#","steps":[{"pick":["__proto__"]}],"to":"x/{id}"}]}'],
      ["busbar.json", '{"plugins":{"http":{"port":0}},"routes":[{"from":"event/#","steps":[{"constructor":{}}],"to":"x/{id}"}]}'],
      ["busbar.yaml", yaml("__proto__: { polluted: yes }\n")],
      ["busbar.yaml", yaml("  auth-jwt: { roles: { __proto__: { publish: ['#'] } } }\n")],
      ["busbar.yaml", yaml("gateway: { __proto__: { log: { level: debug } } }\n")],
      ["busbar.yaml", "plugins:\n  __proto__: &a { use: http, port: 0 }\n  constructor: *a\n"],
    ] as const;
    const outcomes = await Promise.all(configs.map(([name, config]) => check(name, config)));
    for (const [at, { code, said }] of outcomes.entries()) {
      assert.equal(code, 78, `${configs[at]![1]}\n${said}`);
      assert.match(said, /:\d+:\d+ .*(?:__proto__|constructor)/, configs[at]![1]);
      assert.ok(!said.includes("    at "), said);
    }
    await assertClean(target);
  });
}, {
  routes: [
    { name: "renamed", from: "event/#", steps: [{ drop: ["a"] }, { rename: { t: "u", values: "w" } }, { set: { fields: { added: 1 } } }], to: "renamed/{id}" },
    { name: "read", from: "event/#", steps: [{ readings: {} }], to: "read/{id}" },
  ],
});
