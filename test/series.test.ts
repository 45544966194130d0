import assert from "node:assert/strict";
import { test } from "node:test";
import { openFolder, runBusbar, startGateway } from "../cli/testing/busbar.ts";

const config = `plugins:
  auth-jwt:
    keyFile: signing.key
    roles:
      plant: { publish: ["#"], subscribe: ["status/plc/#"] }
  http: { port: 0 }
  storage-sqlite: { file: busbar.db }
`;

test("a running gateway answers aggregates over the readings it was sent, and exports them with both times, quality and code", async () => {
  await using folder = await openFolder({ "busbar.yaml": config });
  const token = (await runBusbar(["token", "plc", "--role", "plant"], { cwd: folder.path })).stdout.trim();
  await using gateway = await startGateway(folder.path);
  const url = [...gateway.urls.values()].find((one) => one.startsWith("http:"))!.replace(/\/?(#.*)?$/, "");
  const call = (path: string, body?: unknown): Promise<Response> => fetch(url + path, { headers: { authorization: `Bearer ${token}`, "content-type": "application/json" }, ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }) });
  const start = Date.now() - 7_200_000 - (Date.now() % 3_600_000);
  const values = Array.from({ length: 7200 }, (_, at) => ({ tag: "t", value: at % 60, unit: "bar", timestamp: start + at * 1000, ...(at % 10 === 0 ? { value: null, quality: "bad", code: "BadNoCommunication" } : {}) }));
  const sent = await call("/api/messages", { type: "status", from: "plc", timestamp: start, payload: { values } });
  assert.equal(sent.status, 200);
  await sent.body?.cancel();
  const range = `device=plc&tag=t&since=${start}&until=${start + 7_200_000}`;
  const { unit, buckets } = (await (await call(`/api/series?${range}&bucket=1h&aggregate=mean,max,timeMean,median`)).json()) as { unit: string; buckets: Record<string, number>[] };
  assert.equal(unit, "bar");
  assert.deepEqual(buckets.map(({ start: from, count, good, mean, max, median }) => ({ from, count, good, mean, max, median })), [0, 1].map((hour) => ({ from: start + hour * 3_600_000, count: 3240, good: 0.9, mean: 30, max: 59, median: 30 })));
  const csv = (await (await call(`/api/series/export?${range}`)).text()).split("\r\n");
  assert.equal(csv.length, 7202);
  assert.match(csv[1]!, new RegExp(`^plc,t,${start},\\d{13},,bar,bad,BadNoCommunication$`));
  assert.match(csv[2]!, new RegExp(`^plc,t,${start + 1000},\\d{13},1,bar,good,$`));
  const refused = await call("/api/series/export?device=other");
  assert.equal(refused.status, 403);
  await refused.body?.cancel();
  const device = (await (await call("/api/devices/plc")).json()) as { values: Record<string, { timestamp: number; received: number; value: number }> };
  const last = device.values["t"]!;
  assert.deepEqual([last.timestamp, last.value, last.received > start], [start + 7_199_000, 59, true]);
});
