import assert from "node:assert/strict";
import { test } from "node:test";
import { openFolder, runBusbar, smallConfig, startGateway } from "../testing/busbar.ts";

test("busbar enrol makes a token that a device trades for a secret it can log in with, once", async () => {
  await using folder = await openFolder({ "busbar.yaml": smallConfig });
  await using gateway = await startGateway(folder.path);
  const url = gateway.urls.get("HTTP API")!;
  const enrol = (...words: string[]) => runBusbar(["enrol", ...words, "--url", url], { cwd: folder.path });
  const trade = (body: object, path = "/api/enrol") => fetch(new URL(path, url), { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });

  assert.equal((await enrol()).stdout, "nobody may enrol\n");
  const { code, stdout } = await enrol("sensor-1", "--ttl", "15m", "--group", "hall");
  assert.deepEqual([code, /^enrol-[\w-]{43}\n$/.test(stdout)], [0, true], stdout);
  assert.match((await enrol()).stdout, /^sensor-1 {2}device {2}until \S+Z {2}busbar-enrol\n$/);
  const token = stdout.trim();
  const answer = await trade({ token, id: "sensor-1" });
  assert.equal(answer.status, 201);
  const { secret } = (await answer.json()) as { secret: string };
  assert.equal((await trade({ token, id: "sensor-1" })).status, 401);
  assert.equal((await trade({ id: "sensor-1", secret }, "/api/enrol/renew")).status, 201);
  assert.equal((await enrol()).stdout, "nobody may enrol\n");

  const wrong = await enrol("sensor-1", "--role", "admin");
  assert.deepEqual([wrong.code, /enrolment\.roles of the config allows device/.test(wrong.stderr)], [77, true], wrong.stderr);
  const nobody = await enrol("--ttl", "1h");
  assert.deepEqual([nobody.code, /<id> is missing/.test(nobody.stderr)], [64, true]);
});
