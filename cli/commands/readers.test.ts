import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { until } from "@busbar/core/testkit";
import { openFolder, runBusbar, smallConfig, startGateway } from "../testing/busbar.ts";

const stored = `${smallConfig}  storage-sqlite: { file: busbar.db }\n`;

test("busbar readers lists the readers of a gateway, and drops one whose plugin is gone but none that is in use", async () => {
  await using folder = await openFolder({ "busbar.yaml": `${stored}  upstream: { use: http/webhook, url: "http://127.0.0.1:9/", topics: ["status/#"] }\n` });
  {
    await using gateway = await startGateway(folder.path);
    const readers = (...words: string[]) => runBusbar(["readers", ...words, "--url", gateway.urls.get("HTTP API")!], { cwd: folder.path });
    let used = { stdout: "" };
    await until("the reader is there", async () => /upstream/.test((used = await readers("list")).stdout), { within: 60_000, show: () => used });
    assert.match(used.stdout, /^upstream\/\S+ +at \d+ +\d+ behind +in use$/m);
    const name = /^upstream\/\S+/m.exec(used.stdout)![0];
    const { code, stderr } = await readers("drop", name);
    assert.notEqual(code, 0);
    assert.match(stderr, /it is in use/);
  }
  await writeFile(join(folder.path, "busbar.yaml"), stored);
  await using gateway = await startGateway(folder.path);
  const readers = (...words: string[]) => runBusbar(["readers", ...words, "--url", gateway.urls.get("HTTP API")!], { cwd: folder.path });
  const { stdout } = await readers("list", "--json");
  const [record] = stdout.trim().split("\n").map((line) => JSON.parse(line) as { reader: string; used: boolean });
  assert.equal(record!.used, false);
  const dropped = await readers("drop", record!.reader);
  assert.deepEqual([dropped.code, dropped.stdout], [0, `${record!.reader} is dropped\n`]);
  assert.equal((await readers("list")).stdout, "no durable readers\n");
  assert.equal((await readers("drop", record!.reader)).code !== 0, true);
});

test("busbar readers says what is wrong with its words", async () => {
  await using folder = await openFolder({});
  for (const words of [["stop"], ["drop"], ["list", "x/y"], ["drop", "not a name"]]) assert.equal((await runBusbar(["readers", ...words], { cwd: folder.path })).code, 64, words.join(" "));
});
