import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { configSchema } from "./config.ts";

test("configSchema fills in every default, in ms and bytes", () => {
  assert.deepEqual(v.parse(configSchema, {}), {
    path: "/ws",
    binary: "iot-data",
    frameLimit: 1_048_576,
    maxConnections: 16_000,
    waitingLine: { length: 1000, time: 10_000, bytes: 16_777_216 },
    ping: 30_000,
    idleTimeout: 90_000,
    authTimeout: 5000,
    compression: { enabled: false, threshold: 1024 },
    rate: 50_000,
    byteRate: 33_554_432,
    payload: 67_108_864,
    nesting: 64,
    patternDepth: 32,
    subscriptions: 100,
    inFlight: 100,
    redeliver: 10_000,
    buffer: 4_194_304,
    signed: "off",
    slowConsumer: "disconnect", queue: 1000,
  });
});

test("configSchema refuses what cannot work, and says where", () => {
  const problem = (config: object): string | undefined => {
    const { issues } = v.safeParse(configSchema, config);
    return issues && `${v.getDotPath(issues[0])}: ${issues[0].message}`;
  };
  assert.match(problem({ ping: "30s", idleTimeout: "30s" }) ?? "", /^idleTimeout: must be more than ping/);
  assert.match(problem({ path: "ws" }) ?? "", /^path: must be a path/);
  assert.match(problem({ maxConnection: 5 }) ?? "", /^maxConnection: /);
  assert.match(problem({ perAddress: 0 }) ?? "", /^perAddress: /);
  assert.equal(problem({ ping: "1s", idleTimeout: "2s" }), undefined);
});
