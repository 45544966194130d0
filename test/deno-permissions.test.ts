import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { denoFlags, gatewayPermissions } from "@busbar/core";
import { runStartTask, startFlags, type StartedTask } from "./support/start-task.ts";

const root = join(import.meta.dirname, "..");
const onDeno = process.versions["deno"] !== undefined;

test("deno.json's task start grants what `busbar permissions --deno` says of the default config, nothing else", async () => {
  const { permissions } = await gatewayPermissions(join(root, "examples/default/busbar.yaml"), root);
  assert.deepEqual(await startFlags(), denoFlags(permissions!.all, root));
});

test("no task of deno.json grants everything", async () => {
  const { default: config } = (await import("../deno.json", { with: { type: "json" } })) as unknown as { readonly default: { readonly tasks: Readonly<Record<string, string>> } };
  for (const [name, task] of Object.entries(config.tasks)) assert.doesNotMatch(task, /(?: -A| --allow-all|--allow-ffi|--allow-import)/, name);
});

test("the default config does all it should with these permissions: storage, console, a login, a message, OPC UA, Modbus", async () => {
  await using task = await runStartTask(await startFlags());
  for (const [name, works] of Object.entries(functions)) await assert.doesNotReject(works(task), name);
  assert.doesNotMatch(task.output(), /NotCapable|Requires \w+ access/, "nothing asked for more");
});

test("each of these permissions is needed", { skip: onDeno ? false : "the same processes as on Deno, where it runs" }, async () => {
  const flags = await startFlags();
  const cases = flags.flatMap((flag) => {
    const [name, values] = flag.split("=");
    if (values === undefined || name === "--allow-env") return [];
    const list = values.split(",");
    return list.map((value) => ({ without: `${name}=${value}`, flags: flags.flatMap((other) => (other !== flag ? [other] : list.length === 1 ? [] : [`${name}=${list.filter((one) => one !== value).join(",")}`])) }));
  });
  assert.ok(cases.length >= 15, `${cases.length} permissions`);
  assert.ok(await doesEverything(flags), "with all of them everything works");
  const needless: string[] = [];
  if (process.env["BUSBAR_ATTACKS"] !== "long") draw(cases, 6);
  for (let at = 0; at < cases.length; at += 3) {
    await Promise.all(
      cases.slice(at, at + 3).map(async (one) => {
        // every listener has port 0 here, so that leaving out one of several such entries takes nothing away: then all of them go
        const given = one.without.startsWith("--allow-net") && !one.without.endsWith(":4841") ? one.flags.map((flag) => (flag.startsWith("--allow-net") ? "--allow-net=127.0.0.1:4841" : flag)) : one.flags;
        if (await doesEverything(given)) needless.push(one.without);
      }),
    );
  }
  const known = ["--allow-read=plugins/audit-file", "--allow-read=plugins/auth-jwt"]; // busbar audit and busbar token import these, so their code is there before anything is asked for
  assert.deepEqual(needless.sort(), known.filter((one) => cases.some(({ without }) => without === one)));
});

/** Leaves `count` of them, drawn at random: all of them, as in the long form of the attacks, take more than a minute. */
function draw(cases: unknown[], count: number): void {
  while (cases.length > count) cases.splice(Math.floor(Math.random() * cases.length), 1);
}

async function doesEverything(flags: readonly string[]): Promise<boolean> {
  try {
    await using task = await runStartTask(flags);
    for (const works of Object.values(functions)) await works(task);
    return true;
  } catch {
    return false;
  }
}

/** What the default config is there for, each as a client would have it. */
const functions: Readonly<Record<string, (task: StartedTask) => Promise<void>>> = {
  async "the console's page, its code and the client library it uses"({ urls }) {
    const base = urls.get("HTTP API")!;
    for (const path of ["/", "/console/main.js", "/console/live.ts", "/console/uplot.js", "/client/mod.ts"]) {
      const response = await fetch(base + path, { signal: AbortSignal.timeout(20_000) });
      assert.equal(response.status, 200, path);
      await response.arrayBuffer();
    }
  },
  async "a login, a message, and the message from the journal"({ urls }) {
    const base = urls.get("HTTP API")!;
    const headers = { "content-type": "application/json" };
    const call = async (path: string, init: RequestInit): Promise<unknown> => {
      const response = await fetch(base + path, { ...init, signal: AbortSignal.timeout(20_000) });
      const text = await response.text();
      assert.ok(response.ok, `${path}: ${response.status} ${text}`);
      return JSON.parse(text);
    };
    const { token } = (await call("/api/console/session", { method: "POST", headers, body: JSON.stringify({ code: new URL(urls.get("Console")!).hash.slice(6) }) })) as { readonly token: string };
    const authorised = { ...headers, authorization: `Bearer ${token}` };
    await call("/api/messages", { method: "POST", headers: authorised, body: JSON.stringify({ type: "note", msgid: "permitted", payload: { permitted: true }, qos: 1 }) });
    const page = JSON.stringify(await call("/api/messages?topic=note/%23", { headers: authorised }));
    assert.match(page, /"permitted":true/);
  },
  async "a connection to the OPC UA server and its thread"({ urls }) {
    const url = urls.get("OPC UA server")!;
    const hello = Buffer.alloc(32 + url.length); // OPC 10000-6 §7.1.2.3
    hello.write("HELF", 0, "latin1");
    [hello.length, 0, 65_536, 65_536, 0, 0, url.length].forEach((value, at) => hello.writeUInt32LE(value, 4 + at * 4));
    hello.write(url, 32, "latin1");
    assert.equal((await answerTo(url, hello)).toString("latin1", 0, 3), "ACK");
  },
  async "a request to the Modbus server"({ urls }) {
    const answer = await answerTo(urls.get("Modbus TCP server")!, Buffer.from([0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1]));
    assert.equal(answer.readUInt16BE(0), 1);
  },
};

/** The first bytes that a server says to these. */
async function answerTo(url: string, bytes: Uint8Array): Promise<Buffer> {
  const { hostname, port } = new URL(url.replace(/^[^:]+/, "http"));
  const socket = connect(Number(port), hostname);
  const signal = AbortSignal.timeout(20_000);
  try {
    socket.write(bytes);
    const closed = once(socket, "close", { signal }).then(() => Promise.reject(new Error("it closed the connection")));
    closed.catch(() => {});
    const [answer] = (await Promise.race([once(socket, "data", { signal }), closed])) as [Buffer];
    return answer;
  } finally {
    socket.destroy();
  }
}
