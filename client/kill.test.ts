import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { commandFor } from "@busbar/core";
import { until } from "@busbar/core/testkit";
import { createClient } from "./client.ts";
import { openGateway } from "./testing/gateway.ts";
import { startGatewayProcess } from "./testing/gateway-process.ts";
import { openClient } from "./testing/transports.ts";

/** Runs a device until it is killed, at a moment that depends on how far it has come. Returns what it has said. */
async function runDevice(args: readonly string[], enough: (said: string) => boolean): Promise<string> {
  const [runtime, ...words] = commandFor(fileURLToPath(new URL("./testing/device-program.ts", import.meta.url)));
  const child = spawn(runtime, [...words, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
  const closed = once(child, "close");
  try {
    await until("the device gets somewhere", () => enough(said) || child.exitCode !== null, { within: 60_000 });
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 20));
  } finally {
    process.kill(child.pid!, "SIGKILL");
  }
  await closed;
  return said;
}

test("a device that is killed in mid-flight, again and again, has each message in the journal once and in order, and runs each command once", { timeout: 240_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "busbar-client-"));
  try {
    await using gateway = await openGateway();
    await using app = openClient(gateway, { id: "app" });
    const file = join(folder, "device.log");
    const ran: string[] = [];
    const acknowledged = new Set<number>();
    const answers: Promise<unknown>[] = [];
    for (let run = 0; run < 5; run++) {
      let first = 0;
      while (acknowledged.has(first)) first++;
      for (let count = 0; count < 5; count++) answers.push(app.request({ to: "d-1", payload: run }));
      const said = await runDevice([gateway.urls.ws, file, String(first)], (text) => text.split("acked").length > 50 && text.split("ran").length > 3);
      for (const [, n] of said.matchAll(/acked (\d+)$/gm)) acknowledged.add(Number(n));
      for (const [, msgid] of said.matchAll(/ran (\S+)$/gm)) ran.push(msgid!);
      gateway.cut();
    }
    const journal = gateway.seen.filter(({ type }) => type === "status").map(({ payload }) => payload as number);
    assert.deepEqual(journal, Array.from({ length: journal.length }, (_, n) => n), "once, in order, without a gap");
    assert.ok([...acknowledged].every((n) => n < journal.length) && acknowledged.size > 200, `${acknowledged.size} acknowledged, ${journal.length} in the journal`);
    assert.equal(new Set(ran).size, ran.length, "no command twice");
    assert.ok(ran.length >= 15, `${ran.length} commands`);
    for (const answer of answers) answer.catch(() => {}); // those of the last run
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("a gateway that is killed under load, again and again, has what its devices were told is stored, once and in order", { timeout: 240_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "busbar-client-"));
  try {
    await using gateway = await startGatewayProcess(folder);
    const ids = ["d-1", "d-2", "d-3"];
    const devices = await Promise.all(ids.map(async (id) => createClient({ url: gateway.url, id, token: await gateway.token(id, "device"), reconnect: { min: 5, max: 50 } })));
    const done: Promise<unknown>[] = [];
    let published = 0;
    let kills = 0;
    const publishing = (async () => {
      for (; kills < 4 || published < 500; published++) {
        for (const device of devices) done.push(device.publish({ type: "status", payload: published }));
        if (published % 5 === 0 || devices[0]!.counts.buffered > 2000) await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    for (; kills < 4; kills++) {
      const before = devices.map(({ counts }) => counts.acknowledged);
      await until("messages are acknowledged", () => devices.every(({ counts }, at) => counts.acknowledged > before[at]! + 50), { within: 60_000 });
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 30));
      await gateway.killAndStart();
    }
    await publishing;
    await Promise.all(done);
    const journal = new Map<string, unknown[]>(ids.map((id) => [id, []]));
    const app = createClient({ url: gateway.url, id: "app", token: await gateway.token("app", "admin") });
    app.subscribe("status/#", ({ from, payload }) => void journal.get(from)!.push(payload), { since: 0 });
    await until("the journal is read", () => [...journal.values()].every(({ length }) => length >= published), { within: 60_000 });
    for (const id of ids) assert.deepEqual(journal.get(id), Array.from({ length: published }, (_, n) => n), id);
    await Promise.all([app, ...devices].map((client) => client.close()));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
