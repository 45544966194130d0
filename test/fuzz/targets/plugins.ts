import assert from "node:assert/strict";
import { createSecretKey } from "node:crypto";
import { checkMessage, Message, systemClock } from "@busbar/core";
import { makeCertificate } from "@busbar/core/testkit";
import mqttPacket, { type Packet } from "mqtt-packet";
import * as v from "valibot";
import { Refusal } from "../../../plugins/auth-jwt/refusal.ts";
import { parseSecretHash } from "../../../plugins/auth-jwt/secret-hash.ts";
import { certificateNames } from "../../../core/listener/certificate-names.ts";
import { verifyToken } from "../../../plugins/auth-jwt/verify-token.ts";
import { judgeAnswer } from "../../../plugins/http/webhook/http-answer.ts";
import { incomingMessage } from "../../../plugins/mqtt/incoming-message.ts";
import { ModbusFault } from "../../../plugins/modbus/modbus-fault.ts";
import { answerData, encodeRead } from "../../../plugins/modbus/pdu.ts";
import { RtuFrames } from "../../../plugins/modbus/rtu-frames.ts";
import { TcpFrames } from "../../../plugins/modbus/tcp-frames.ts";
import { compilePlant } from "../../../plugins/opcua-sim/compiled-plant.ts";
import { createModbusDeframer } from "../../../plugins/opcua-sim/modbus-frame.ts";
import { plantBanks } from "../../../plugins/opcua-sim/modbus-plant-bank.ts";
import { answerModbus } from "../../../plugins/opcua-sim/modbus-request.ts";
import { plantSchema } from "../../../plugins/opcua-sim/plant.ts";
import { Simulation } from "../../../plugins/opcua-sim/simulation.ts";
import type { FuzzTarget } from "../engine/fuzz-target.ts";
import { outcomeOf, shape } from "./codecs.ts";
import { textTarget } from "./texts.ts";

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));

const modbusRequests: FuzzTarget = {
  name: "modbus-request",
  about: "the PDU of a Modbus client of the simulator",
  seeds: ["0100000003", "0200000001", "0300000005", "0400000003", "050000ff00", "0600020007", "0f0000000301ff", "1000000002044325000000", "160002fff70008", "17000100020002000102000a", "2b0e0100"].map(hex),
  maxLength: 300,
  open() {
    const tags = [
      { name: "a", range: [0, 200], signal: { kind: "setpoint", value: 165 } },
      { name: "c", kind: "int", range: [-100_000, 100_000], signal: { kind: "setpoint", value: -2 } },
      { name: "on", kind: "bool", signal: { kind: "setpoint", value: true } },
      { name: "level", range: [0, 10], signal: { kind: "constant", value: 2.5 } },
      { name: "mode", kind: "string", signal: { kind: "step", levels: ["x", "y"], every: 1000 } },
    ];
    const simulation = new Simulation(compilePlant(v.parse(plantSchema, { machines: [{ id: "m", tags }] })), { start: 0 });
    const bank = plantBanks(simulation).get(1)!;
    const writes = { allowed: true, permits: () => true, check: () => {} };
    return (bytes) => {
      if (bytes.length === 0) return "empty";
      const answer = answerModbus(bytes, { bank, writes, now: 1000 });
      assert.ok(answer.length >= 2 && answer.length <= 253, "an answer has 2 to 253 bytes");
      assert.equal(answer[0]! & 0x7f, bytes[0]! & 0x7f, "an answer is of the function that was asked for");
      return answer[0]! >= 0x80 ? `exception ${answer[1]}` : `answer ${answer[0]}`;
    };
  },
};

const modbusFrames: FuzzTarget = {
  name: "modbus-frame",
  about: "the bytes of a Modbus client of the simulator",
  seeds: [hex("00010000000601030000000a"), hex("000100000006010300000001000200000006010400000002")],
  open: () => (bytes) => {
    const cut = (size: number): string => {
      const deframer = createModbusDeframer();
      const frames: string[] = [];
      try {
        for (let at = 0; at < bytes.length; at += size) deframer.push(bytes.slice(at, at + size), (buffer, start, end) => void frames.push(Buffer.from(buffer.subarray(start, end)).toString("hex")));
      } catch (error) {
        return `${frames.join()} ${outcomeOf(error)}`;
      }
      return frames.join();
    };
    const whole = cut(bytes.length || 1);
    assert.equal(cut(1), whole, "byte by byte");
    assert.equal(cut(5), whole, "in pieces");
    return whole.replace(/[0-9a-f]{4,}/g, "frame").slice(0, 60);
  },
};

/** What is taken for the answer to a read of two holding registers is four bytes, or a fault; a line's parser gives nothing else. */
const modbusAnswers: FuzzTarget = {
  name: "modbus-answer",
  about: "what a Modbus device, or who pretends to be one, sends to the client: over TCP, and over a line",
  seeds: ["00010000000701030400010002", "000100000003018302", "01030400010002" + "2a32", "018302c0f1", "000200000003018306000100000007010304ffffffff"].map(hex),
  words: ["0000", "0103", "0183", "0304", "00010000"].map(hex),
  open() {
    const request = encodeRead("holding", 0, 2);
    const outcome = (pdu: Uint8Array): string => {
      try {
        assert.equal(answerData(request, pdu).length, 4, "the data of two registers");
        return "answer";
      } catch (error) {
        if (!(error instanceof ModbusFault)) throw error;
        return error.kind;
      }
    };
    const cutTcp = (bytes: Uint8Array, size: number): string => {
      const frames = new TcpFrames();
      const seen: string[] = [];
      try {
        for (let at = 0; at < bytes.length; at += size) frames.push(bytes.slice(at, at + size), (_transaction, _unit, pdu) => void seen.push(outcome(pdu)));
      } catch (error) {
        seen.push(outcomeOf(error));
      }
      assert.ok(frames.pending <= 260, "holds at most one frame");
      return seen.join();
    };
    return (bytes) => {
      const whole = cutTcp(bytes, bytes.length || 1);
      assert.equal(cutTcp(bytes, 1), whole, "byte by byte");
      const found = new RtuFrames({ noise: 0 }).push(bytes, { unit: 1, code: 3, bytes: 4 });
      if (found) assert.notEqual(outcome(found), "malformed", "a line's answer is an answer or an exception");
      return `${whole.slice(0, 40)} ${found ? outcome(found) : "nothing"}`;
    };
  },
};

const certificates: FuzzTarget = {
  name: "certificate",
  about: "a client certificate, of which the names are read",
  seeds: [Uint8Array.from(Buffer.from(makeCertificate({ name: "plc-101", names: ["plc.example", "10.0.0.1"] }).cert.replace(/-----[^-]+-----|\s/g, ""), "base64"))],
  open: () => (bytes) => {
    try {
      const [, ...names] = certificateNames(bytes);
      for (const name of names) assert.match(name, /^[A-Za-z0-9_*.-]+$/);
      return `${Math.min(names.length, 4)} names`;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return shape(error.message);
    }
  },
};

const secret = createSecretKey(Buffer.alloc(32, 7));
const header = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const claims = { sub: "home-7", aud: "busbar", exp: 4_000_000_000, roles: ["device"] };

const tokens = textTarget("token", "the token of any peer", {
  seeds: [`${header({ alg: "HS256", typ: "JWT" })}.${header(claims)}.${"A".repeat(43)}`, `${header({ alg: "none" })}.${header(claims)}.`, `${header({ alg: "HS256", kid: "k", crit: ["exp"] })}.${header({ ...claims, sub: "__proto__" })}.AA`],
  words: [".", "eyJ", header({ alg: "HS256" }), header({ alg: "none" }), header(claims)],
  async run(text) {
    try {
      await verifyToken(text, { keys: [{ algorithm: "HS256", key: secret } as never], clock: systemClock, tolerance: 5000 });
    } catch (error) {
      if (error instanceof Refusal) return `${error.reason} ${shape(error.message)}`;
      throw error;
    }
    throw new Error("a token that nobody signed was taken");
  },
});

const hashes = textTarget("secret-hash", "the hashes of the config", {
  seeds: [`scrypt$16384$8$1$${"A".repeat(22)}$${"B".repeat(43)}`],
  words: ["$", "scrypt", "1024", "131072"],
  maxLength: 300,
  run(text) {
    const hash = parseSecretHash(text);
    if (hash) assert.ok(hash.N >= 1024 && hash.N <= 131_072 && hash.r >= 1 && hash.r <= 16 && hash.p >= 1 && hash.p <= 4);
    return hash ? "hash" : "none";
  },
});

const answers = textTarget("webhook-answer", "what a webhook answers: the status, Retry-After and the body, a line each", {
  seeds: ['200\n\n{"refused":[{"msgid":"m","reason":"bad"},{"offset":5}]}', "429\n120\nbusy", "503\nWed, 21 Oct 2026 07:28:00 GMT\n", "422\n\n{}"],
  words: ['"refused":', '"msgid":', '"offset":', "\n", "[", "]"],
  run(text) {
    const [status = "", after = "", ...body] = text.split("\n");
    const verdict = judgeAnswer({ status: Number(status) | 0, headers: { "retry-after": after }, body: body.join("\n") } as never, 0);
    if (verdict.kind === "later" && verdict.after !== undefined) assert.ok(verdict.after >= 0);
    return `${verdict.kind} ${"refused" in verdict ? Math.min(verdict.refused.length, 3) : ""}`;
  },
});

const packets: readonly Packet[] = [
  { cmd: "connack", returnCode: 0, reasonCode: 0, sessionPresent: false },
  { cmd: "publish", topic: "in/a", payload: Buffer.from('{"t":1}'), qos: 1, messageId: 5, dup: false, retain: true },
  { cmd: "publish", topic: "in/b/c", payload: Buffer.of(0xff, 0), qos: 0, dup: false, retain: false, properties: { userProperties: { from: "a/b", msgid: "m", via: "x,y", timestamp: "5" }, messageExpiryInterval: 60 } },
  { cmd: "suback", messageId: 6, granted: [1, 128] },
  { cmd: "puback", messageId: 7 },
  { cmd: "pingresp" },
  { cmd: "disconnect", reasonCode: 0x8e },
];

/** The parser is mqtt-packet's; what is taken goes the way of a message of a broker. */
const mqttPackets: FuzzTarget = {
  name: "mqtt-packet",
  about: "what a broker sends to a bridge, in both versions",
  seeds: packets.flatMap((packet) => [4, 5].map((protocolVersion) => Uint8Array.from(mqttPacket.generate(packet, { protocolVersion: protocolVersion as 4 | 5 })))),
  open: () => (bytes) => {
    let word = "";
    for (const protocolVersion of [4, 5] as const) {
      const parser = mqttPacket.parser({ protocolVersion });
      let outcome = "";
      parser.on("packet", (packet) => (outcome ||= packet.cmd === "publish" ? taken(packet) : packet.cmd));
      parser.on("error", (error: Error) => (outcome ||= shape(error.message)));
      try {
        parser.parse(Buffer.from(bytes));
      } catch (error) {
        outcome = `thrown: ${shape((error as Error).message)}`; // the stream that owns the parser ends the connection
      }
      word += `${outcome || "more to come"}; `;
    }
    return word;
  },
};

function taken(packet: Extract<Packet, { readonly cmd: "publish" }>): string {
  try {
    const message = incomingMessage(packet, { entries: [{ topics: ["#"], format: "payload", from: "far/{topic}", qos: 1, retain: "keep" } as never], instance: "bridge", tag: "tag", mint: () => "minted", now: 1 });
    if (message === undefined) return "came round";
    checkMessage(message as Message);
    return `message ${typeof message.payload}`;
  } catch (error) {
    return outcomeOf(error);
  }
}


/** Parsers of plugins. */
export const pluginTargets: readonly FuzzTarget[] = [modbusRequests, modbusFrames, modbusAnswers, certificates, tokens, hashes, answers, mqttPackets];
