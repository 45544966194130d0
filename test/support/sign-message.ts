import { createHmac } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { EnvelopeSchema, FrameSchema } from "@busbar/core/proto/gen/busbar/v1/envelope_pb.ts";

/** An envelope as a client writes it, perhaps signed. */
export type WireEnvelope = Readonly<Record<string, unknown>>;

/** A sorting JSON writer, as a client in another language would have one: not the gateway's own. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)).map(([name, member]) => [name, sorted(member)]));
}

let count = 0;

/** An envelope with all its fields and a valid signature; `fields` take the place of its own before it is signed. */
export function signed(key: string, fields: WireEnvelope): WireEnvelope {
  const nonce = `n-${process.pid}-${++count}`;
  const whole: WireEnvelope = { ver: "1.0", msgid: `m-${nonce}`, timestamp: Date.now(), to: "server", type: "status", payload: { temperature: 21.5 }, qos: 1, retain: false, nonce, ...fields };
  return { ...whole, mac: createHmac("sha256", key).update(JSON.stringify(sorted(whole))).digest("base64url") };
}

/** The envelope as a frame of a JSON session. */
export function jsonFrame(envelope: WireEnvelope): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(envelope));
}

/** The envelope as a `busbar.v1.Frame`. `json`: the payload as text, where it is to differ. */
export function protoFrame({ payload, timestamp, signedAt, expires, mac, ...rest }: WireEnvelope, json: string = JSON.stringify(payload)): Uint8Array {
  const envelope = create(EnvelopeSchema, {
    ...rest,
    payload: { case: "json", value: json },
    timestamp: BigInt(timestamp as number),
    ...(signedAt === undefined ? {} : { signedAt: BigInt(signedAt as number) }),
    ...(expires === undefined ? {} : { expires: BigInt(expires as number) }),
    ...(mac === undefined ? {} : { mac: new Uint8Array(Buffer.from(mac as string, "base64url")) }),
  });
  return toBinary(FrameSchema, create(FrameSchema, { frame: { case: "envelope", value: envelope } }));
}
