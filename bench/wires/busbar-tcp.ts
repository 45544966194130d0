import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FrameSchema, PongSchema } from "../../core/proto/gen/busbar/v1/envelope_pb.ts";
import type { Frame } from "../../core/proto/gen/busbar/v1/envelope_pb.ts";
import { formatMarker, markerSequenceOffset } from "./marker.ts";
import { delimitedContent, measureDelimited, PacketReader } from "./packet-reader.ts";
import type { FrameTemplate, Identity, Peer, PublisherEvents, TemplateOptions, Wire } from "./wire.ts";

/** First byte of a Frame that holds an ack: field 9, length-delimited. */
const ackTag = (9 << 3) | 2;

/** Busbar's protobuf over TCP (WIRE §3, codec `envelope`), publishing only. */
export const busbarTcp: Wire = {
  createPublisher(identity: Identity, events: PublisherEvents): Peer {
    const reader = new PacketReader(measureDelimited, (bytes, start, end) => {
      const at = delimitedContent(bytes, start);
      if (bytes[at] === ackTag) return events.acked();
      const { frame } = fromBinary(FrameSchema, bytes.subarray(at, end));
      if (frame.case === "authResponse" && frame.value.status === "success") events.ready();
      else if (frame.case === "authResponse") events.refused(`auth_response ${frame.value.status}`);
      else if (frame.case === "error") events.refused(`${frame.value.code}: ${frame.value.message}`);
      else if (frame.case === "ping") events.send(delimited({ case: "pong", value: create(PongSchema) }));
    });
    const auth = delimited({ case: "auth", value: { $typeName: "busbar.v1.Auth", deviceId: identity.id, token: identity.token } });
    return { hello: auth, receive: (bytes, length) => reader.push(bytes, length) };
  },

  createTemplate(identity: Identity, options: TemplateOptions): FrameTemplate {
    const marker = formatMarker(options.publisher, 0);
    const timestamp = Date.now();
    const bytes = delimited({
      case: "envelope",
      value: {
        $typeName: "busbar.v1.Envelope",
        ver: "1.0",
        msgid: marker,
        timestamp: BigInt(timestamp),
        from: identity.id,
        to: "",
        type: "status",
        payload: { case: "json", value: '{"temperature":23.5}' },
        qos: options.qos,
        retain: false,
      },
    });
    const markerAt = Buffer.from(bytes).indexOf(marker);
    // Right behind the msgid, the tag of field 3 as a varint, then the six bytes of the time.
    return { bytes, sequenceAt: markerAt + markerSequenceOffset, packetIdAt: -1, timestampAt: markerAt + marker.length + 1 };
  },

  isComplete: () => false,

  createSubscriber(): Peer {
    throw new Error("Cannot subscribe over busbar-tcp: the load generator subscribes over busbar-ws");
  },
};

function delimited(frame: Frame["frame"]): Uint8Array {
  const body = toBinary(FrameSchema, create(FrameSchema, { frame }));
  const header: number[] = [];
  for (let rest = body.length; ; rest >>>= 7) {
    header.push(rest >= 0x80 ? (rest & 0x7f) | 0x80 : rest);
    if (rest < 0x80) break;
  }
  return Uint8Array.from([...header, ...body]);
}
