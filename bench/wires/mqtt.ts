import { formatMarker, markerSequenceOffset } from "./marker.ts";
import { measureMqtt, PacketReader } from "./packet-reader.ts";
import type { FrameTemplate, Identity, Peer, PublisherEvents, SubscriberEvents, TemplateOptions, Wire } from "./wire.ts";

/** First bytes of control packets, type and fixed flags (MQTT 3.1.1 §2.2). */
const packet = { connect: 0x10, connack: 0x20, publish: 0x30, puback: 0x40, subscribe: 0x82, suback: 0x90 } as const;

/** MQTT 3.1.1 at the byte level: clean sessions, qos 0 and 1, everybody subscribes to `status/#`. */
export const mqtt: Wire = {
  createPublisher(identity: Identity, events: PublisherEvents): Peer {
    const reader = new PacketReader(measureMqtt, (bytes, start) => {
      const type = bytes[start];
      if (type === packet.puback) events.acked();
      else if (type === packet.connack && bytes[start + 3] === 0) events.ready();
      else events.refused(`packet 0x${type?.toString(16)} with return code ${bytes[start + 3]}`);
    });
    return { hello: connect(identity), receive: (bytes, length) => reader.push(bytes, length) };
  },

  createTemplate(identity: Identity, options: TemplateOptions): FrameTemplate {
    const marker = formatMarker(options.publisher, 0);
    const topic = string(`status/${identity.id}`);
    const packetId = options.qos === 1 ? [0, 1] : [];
    const message = Buffer.from(payload(marker));
    const bytes = control(packet.publish | (options.qos << 1), [...topic, ...packetId, ...message]);
    const packetIdAt = options.qos === 1 ? Buffer.from(bytes).indexOf(topic) + topic.length : -1;
    return { bytes, sequenceAt: Buffer.from(bytes).indexOf(marker) + markerSequenceOffset, packetIdAt, timestampAt: -1 };
  },

  isComplete(delivery, expected) {
    const text = Buffer.from(delivery).toString("latin1");
    return text.includes(`status/${expected.from}`) && text.endsWith(payload(expected.marker));
  },

  createSubscriber(identity: Identity, options: { readonly qos: 0 | 1 }, events: SubscriberEvents): Peer {
    const acks = new Uint8Array(4 * 16_384);
    let acked = 0;
    const flush = (): void => {
      // A copy: the socket may keep the bytes for later.
      if (acked > 0) events.send(acks.slice(0, acked));
      acked = 0;
    };
    const reader = new PacketReader(measureMqtt, (bytes, start, end) => {
      const type = bytes[start] ?? 0;
      if ((type & 0xf0) === packet.publish) {
        if ((type & 0x06) !== 0) {
          const id = packetIdOffset(bytes, start);
          acks[acked++] = packet.puback;
          acks[acked++] = 2;
          acks[acked++] = bytes[id] ?? 0;
          acks[acked++] = bytes[id + 1] ?? 0;
          if (acked === acks.length) flush();
        }
        events.message(bytes, start, end);
      } else if (type === packet.connack && bytes[start + 3] === 0) events.send(subscribe("status/#", options.qos));
      else if (type === packet.suback && bytes[start + 4] === options.qos) events.ready();
      else events.refused(`packet 0x${type.toString(16)} with return code ${bytes[end - 1]}`);
    });
    return {
      hello: connect(identity),
      receive(bytes, length) {
        reader.push(bytes, length);
        flush();
      },
    };
  },
};

function payload(marker: string): string {
  return JSON.stringify({ msgid: marker, temperature: 23.5 });
}

function connect(identity: Identity): Uint8Array {
  const cleanSession = 0x02;
  return control(packet.connect, [...string("MQTT"), 4, cleanSession, 0, 0, ...string(identity.id)]);
}

function subscribe(filter: string, qos: number): Uint8Array {
  return control(packet.subscribe, [0, 1, ...string(filter), qos]);
}

function control(type: number, body: readonly number[]): Uint8Array {
  const length = body.length < 128 ? [body.length] : [(body.length & 0x7f) | 0x80, body.length >> 7];
  return Uint8Array.from([type, ...length, ...body]);
}

function string(value: string): Uint8Array {
  const bytes = Buffer.from(value);
  return Uint8Array.from([bytes.length >> 8, bytes.length & 0xff, ...bytes]);
}

/** Where the packet id of the PUBLISH at `start` stands: behind the fixed header and the topic. */
function packetIdOffset(bytes: Uint8Array, start: number): number {
  let at = start + 1;
  while ((bytes[at] ?? 0) >= 0x80) at++;
  at++;
  return at + 2 + ((bytes[at] ?? 0) << 8) + (bytes[at + 1] ?? 0);
}
