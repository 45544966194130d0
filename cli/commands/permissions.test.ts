import assert from "node:assert/strict";
import { realpath } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { openFolder, runBusbar, smallConfig } from "../testing/busbar.ts";

test("busbar permissions says who touches what, as a table, as JSON and as options of deno run", async () => {
  await using folder = await openFolder({ "busbar.yaml": smallConfig });
  const cwd = folder.path;
  const table = await runBusbar(["permissions"], { cwd });
  assert.equal(table.code, 0, table.stderr);
  assert.match(table.stdout, /^http +listen on +127\.0\.0\.1:0$/m);
  assert.match(table.stdout, /^websocket +nothing$/m);
  const { all, instances } = JSON.parse((await runBusbar(["permissions", "--json"], { cwd })).stdout) as { readonly all: { readonly write: readonly string[] }; readonly instances: Readonly<Record<string, { readonly net: readonly string[] }>> };
  assert.deepEqual([instances["tcp-protobuf"]?.net, all.write], [["listen:127.0.0.1:0"], [await realpath(cwd), join(await realpath(cwd), "data")]]);
  const { stdout } = await runBusbar(["permissions", "--deno"], { cwd });
  assert.match(stdout, /^--no-prompt --allow-net=127\.0\.0\.1:0 --allow-read=\S+ --allow-write=\. --allow-env=BUSBAR_DEBUG,NO_COLOR,TERM --ignore-env\n$/);
});

test("busbar permissions ends with 78 for a config that is wrong, and with 64 for two ways to print at once", async () => {
  await using folder = await openFolder({ "busbar.yaml": "plugins:\n  http: { prt: 1 }\n" });
  const wrong = await runBusbar(["permissions"], { cwd: folder.path });
  assert.deepEqual([wrong.code, /prt: unknown key/.test(wrong.stderr)], [78, true]);
  assert.equal((await runBusbar(["permissions", "--deno", "--json"], { cwd: folder.path })).code, 64);
});
