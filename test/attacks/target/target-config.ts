import { hashSecret } from "@busbar/auth-jwt";
import type { Sections } from "../../faults/rig.ts";

/** The ids of the well-behaved clients, which talk all through every attack. */
export const bystander = { device: "bystander/device", app: "bystander/app" } as const;

/** Secrets that the config needs as environment variables: what it holds of them is `${env:NAME}`. */
export interface ConfigSecrets {
  readonly hs256: string;
  readonly listenerToken: string;
  readonly deviceSecret: string;
}

/**
 * Every listener and every way to log in, with rights that leave something to gain. `iot` and `users` know their clients by the listener token, `line` by where they come from; the public keys are in
 * `rsa.pem` and `ec.pem`.
 */
export async function targetSections({ deviceSecret }: ConfigSecrets): Promise<Sections> {
  return {
    "storage-sqlite": { file: "data/busbar.db" },
    "auth-jwt": {
      keyFile: "data/signing.key",
      keys: [
        { algorithm: "HS256", kid: "shared", secret: "${env:ATTACK_HS256}" },
        { algorithm: "RS256", kid: "rsa", publicKeyFile: "rsa.pem" },
        { algorithm: "ES256", kid: "ec", publicKeyFile: "ec.pem" },
      ],
      roles: {
        admin: { publish: ["#"], subscribe: ["#"] },
        device: { publish: ["status/{id}/#", "event/{id}/#", "ack/#"], subscribe: ["command/{id}/#"] },
        reader: { subscribe: ["status/plant/+", "event/plant/#"], deny: { subscribe: ["status/plant/vault/#"] } },
        panel: { publish: ["command/group/{group}"], subscribe: ["status/{group}/#"] },
      },
      groups: { kitchen: ["home-7/lamp", "home-7/oven/#"] },
      devices: { "sensor-001": { secret: await hashSecret(deviceSecret), roles: ["device"] } },
      revoked: ["revoked-token", "stolen-1"],
    },
    http: { port: 0 },
    websocket: {},
    tcp: { use: "tcp-protobuf", port: 0 },
    iot: { use: "tcp-protobuf", port: 0, codec: "iot-data", clients: { by: "token", token: "${env:ATTACK_LISTENER_TOKEN}" } },
    users: { use: "tcp-protobuf", port: 0, codec: "user-inform", clients: { by: "token", token: "${env:ATTACK_LISTENER_TOKEN}" } },
    line: { use: "tcp-protobuf", port: 0, codec: "iot-data", clients: { by: "network", allow: [{ cidr: "127.0.0.0/8", within: "line-1" }] } },
  };
}
