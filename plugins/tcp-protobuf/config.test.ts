import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as v from "valibot";
import { configSchema } from "./config.ts";

const tls = { certFile: "a.pem", keyFile: "a.key", caFile: "ca.pem" };
const custom = { descriptorSet: "a.binpb", message: "a.B", from: "c" };

describe("configSchema", () => {
  const right: readonly object[] = [
    {}, { port: 0, host: "::1" }, { codec: "iot-data" }, { codec: "iot-data", host: "0.0.0.0", insecure: true, clients: { by: "token", token: "0123456789abcdef" } }, { host: "0.0.0.0", tls },
    { codec: "user-inform", host: "plant.example", tls, clients: { by: "certificate" } }, { codec: "iot-data", host: "::", insecure: true, clients: { by: "network", allow: [{ cidr: "10.0.0.0/8", within: "line-1" }] } },
    { codec: "custom", custom: { ...custom, payload: { readings: { t: "t", u: { field: "u", unit: "V" } } } } }, { codec: "custom", custom: { ...custom, payload: { list: "l", tag: "t", value: "v" } } }, { tls, clients: { by: "certificate" } },
  ];
  for (const config of right) it(`takes ${JSON.stringify(config)}`, () => assert.ok(v.is(configSchema, config)));

  const wrong: readonly { readonly config: object; readonly key: string; readonly says: RegExp }[] = [
    { config: { prot: 7000 }, key: "prot", says: /./ },
    { config: { port: 70_000 }, key: "port", says: /must be a port/ },
    { config: { codec: "iot" }, key: "codec", says: /iot-data/ },
    { config: { codec: "custom" }, key: "custom", says: /must be there for codec: custom/ },
    { config: { custom }, key: "custom", says: /only for it/ },
    { config: { codec: "iot-data", host: "0.0.0.0", insecure: true }, key: "host", says: /as long as clients does not say how a client is known/ },
    { config: { clients: { by: "token", token: "0123456789abcdef" } }, key: "clients", says: /where the protocol has a login of its own/ },
    { config: { codec: "iot-data", clients: { by: "certificate" } }, key: "clients", says: /without tls.caFile/ },
    { config: { tls: { ...tls, requestClientCert: false }, clients: { by: "certificate" } }, key: "clients", says: /without tls.caFile/ },
    { config: { tls: { certFile: "a", keyFile: "b", requestClientCert: true } }, key: "tls.caFile", says: /must name the authorities/ },
    { config: { tls: { ...tls, requireClientCert: true, requestClientCert: false } }, key: "tls.requestClientCert", says: /cannot be false/ },
    { config: { tls: { ...tls, minVersion: "TLSv1.1" } }, key: "tls.minVersion", says: /TLSv1.2/ },
    { config: { codec: "iot-data", clients: { by: "token", token: "short" } }, key: "clients.token", says: /at least 16/ },
    { config: { codec: "iot-data", clients: { by: "network", allow: [{ cidr: "10.0.0.0/99" }] } }, key: "clients.allow.0.cidr", says: /must be an address or a network/ },
    { config: { codec: "iot-data", signed: "require" }, key: "signed", says: /must be off where the protocol has no words/ },
    { config: { limit: "100MiB" }, key: "limit", says: /must be a size/ },
    { config: { codec: "custom", custom: { ...custom, payload: "half" } }, key: "custom.payload", says: /must be whole/ },
  ];
  for (const { config, key, says } of wrong) {
    it(`refuses ${JSON.stringify(config)}, naming ${key}`, () => {
      const { issues } = v.safeParse(configSchema, config);
      assert.equal(issues?.length, 1);
      assert.equal(v.getDotPath(issues[0]), key);
      assert.match(issues[0].message, says);
    });
  }
});
