import assert from "node:assert/strict";
import { test } from "node:test";
import { openFolder, runBusbar, smallConfig, startGateway } from "../testing/busbar.ts";

test("busbar revoke ends what a device may do at once, lists it, and undoes it, also across a restart", async () => {
  await using folder = await openFolder({ "busbar.yaml": smallConfig });
  const { stdout } = await runBusbar(["token", "sensor-1", "--role", "device"], { cwd: folder.path });
  const may = async (url: string): Promise<number> => (await fetch(new URL("/api/messages", url), { method: "POST", headers: { authorization: `Bearer ${stdout.trim()}`, "content-type": "application/json" }, body: JSON.stringify({ type: "status", payload: 1, qos: 0 }) })).status;
  {
    await using gateway = await startGateway(folder.path);
    const url = gateway.urls.get("HTTP API")!;
    const revoke = (...words: string[]) => runBusbar(["revoke", ...words, "--url", url], { cwd: folder.path });
    assert.equal((await revoke("list")).stdout, "nothing is revoked\n");
    assert.equal(await may(url), 200);
    assert.deepEqual(await revoke("device", "sensor-1").then(({ code, stdout }) => [code, stdout]), [0, "device sensor-1 is revoked\n"]);
    assert.equal(await may(url), 401);
    assert.equal((await revoke("device", "sensor-1")).stdout, "device sensor-1 was revoked already\n");
    assert.match((await revoke("list")).stdout, /^device {2}sensor-1 {2}\S+Z {2}busbar-revoke\n$/);
    const wrong = await revoke("role", "nobody");
    assert.deepEqual([wrong.code, /there is no role "nobody"/.test(wrong.stderr)], [65, true]);
  }
  {
    await using gateway = await startGateway(folder.path);
    const url = gateway.urls.get("HTTP API")!;
    assert.equal(await may(url), 401);
    assert.equal((await runBusbar(["revoke", "device", "sensor-1", "--undo", "--json", "--url", url], { cwd: folder.path })).stdout, '{"changed":true}\n');
    assert.equal(await may(url), 200);
  }
});

test("busbar revoke says what its command line lacks", async () => {
  await using folder = await openFolder({ "busbar.yaml": smallConfig });
  for (const [words, said] of [[[], /<token\|device\|role\|list> is missing/], [["everything"], /must be token, device, role or list/], [["role"], /<name> is missing/], [["list", "x"], /list takes no name/]] as const) {
    const { code, stderr } = await runBusbar(["revoke", ...words], { cwd: folder.path });
    assert.deepEqual([code, said.test(stderr)], [64, true], stderr);
  }
});
