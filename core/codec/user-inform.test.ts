import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { createMessage, type Message } from "../envelope.ts";
import { UserInformSchema, UserOrderSchema } from "../proto/gen/busbar/v1/devices_pb.ts";
import { codecSuite } from "../testkit/codec-suite.ts";
import { userInform } from "./user-inform.ts";

const inform = (init: Parameters<typeof create<typeof UserInformSchema>>[1]): Uint8Array => toBinary(UserInformSchema, create(UserInformSchema, init));
const order = (init: Parameters<typeof create<typeof UserOrderSchema>>[1]): Uint8Array => toBinary(UserOrderSchema, create(UserOrderSchema, init));
const command = (to: string, payload: unknown): Message => createMessage({ type: "command", from: "app", to, payload });

codecSuite({
  name: "user-inform",
  factory: userInform,
  cases: [
    { name: "a value", bytes: inform({ userId: 7, sensorType: 2, sensorId: 3, sensorValue: -40 }), frames: [{ kind: "message", type: "status", from: "user/7/2/3", to: "server", timestamp: 0, payload: { value: -40 } }] },
    { name: "a value with identifiers", bytes: inform({ identifiers: 9, userId: 7, sensorType: 2, sensorId: 3, sensorValue: 1 }), frames: [{ kind: "message", payload: { value: 1, identifiers: 9 } }] },
    { name: "a message of zeros", bytes: new Uint8Array(0), frames: [{ kind: "message", from: "user/0/0/0", payload: { value: 0 } }] },
    { name: "negative ids", bytes: inform({ userId: -1, sensorType: -2 }), frames: [{ kind: "message", from: "user/-1/-2/0" }] },
    { name: "an order to a user", bytes: order({ userId: 7, order: 1 }), encoded: command("user/7", { order: 1 }) },
    { name: "an order to a sensor", bytes: order({ userId: 7, sensorType: 2, sensorId: 3, order: 0 }), encoded: command("user/7/2/3", { order: 0 }) },
    { name: "an order with everything", bytes: order({ identifiers: 4, userId: 7, sensorType: 5, sensorId: 6, order: -1 }), encoded: command("user/7", { order: -1, sensor_type: 5, sensor_id: 6, identifiers: 4 }) },
  ],
  refused: [
    { name: "a truncated message", bytes: Uint8Array.of(8), error: "SyntaxError" },
    { name: "a varint that never ends", bytes: Uint8Array.of(8, ...new Uint8Array(11).fill(0xff)), error: "SyntaxError" },
  ],
  unspeakable: [
    command("lamp-1", { order: 1 }), command("user/7/2", { order: 1 }), command("user/x", { order: 1 }), command("user/99999999999", { order: 1 }), command("user/4294967296", { order: 1 }),
    command("user/7", { on: true }), command("user/7", { order: true }), command("user/7", { order: 1.5 }), command("user/7", { order: 2 ** 31 }), command("user/7", { order: 1, sensor_id: "3" }), command("user/7", null), command("user/7", "on"),
    createMessage({ type: "status", to: "user/7", payload: { order: 1 } }), { kind: "ping" },
  ],
});

describe("user-inform codec and its users", () => {
  it("identity() is the user, whatever sensor speaks", () => {
    const codec = userInform.create();
    const bytes = inform({ userId: 17, sensorType: 2, sensorId: 3 });
    assert.equal(codec.identity?.(codec.decode(bytes, 0, bytes.length) as Message), "user/17");
  });
});
