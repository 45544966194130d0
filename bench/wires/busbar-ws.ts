import { randomBytes } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { formatMarker, markerSequenceOffset } from "./marker.ts";
import { measureWebSocket, PacketReader, webSocketPayload } from "./packet-reader.ts";
import type { FrameTemplate, Identity, Peer, PublisherEvents, SubscriberEvents, TemplateOptions, Wire } from "./wire.ts";

/** Opcodes of RFC 6455 §5.2. */
const opcode = { text: 1, close: 8, ping: 9, pong: 10 } as const;

/** Busbar's JSON over WebSocket (WIRE §2), publishing and subscribing. */
export const busbarWs: Wire = {
  createPublisher(identity: Identity, events: PublisherEvents): Peer {
    return createClient(events, {
      opened: () => events.send(text({ type: "auth", deviceId: identity.id, token: identity.token })),
      control: (message) => {
        if (message["type"] === "auth_response" && message["status"] === "success") events.ready();
        else if (message["type"] === "ack") events.acked();
        else events.refused(JSON.stringify(message));
      },
    });
  },

  createTemplate(identity: Identity, options: TemplateOptions): FrameTemplate {
    const marker = formatMarker(options.publisher, 0);
    const bytes = text({
      msgid: marker,
      timestamp: Date.now(),
      from: identity.id,
      type: "status",
      payload: { temperature: 23.5 },
      ...(options.qos === 1 ? { qos: 1 } : {}),
    });
    return { bytes, sequenceAt: Buffer.from(bytes).indexOf(marker) + markerSequenceOffset, packetIdAt: -1, timestampAt: -1 };
  },

  isComplete(delivery, expected) {
    const message = JSON.parse(Buffer.from(delivery).toString());
    const { ver, msgid, timestamp, from, to, type, payload, qos, retain } = message;
    return isDeepStrictEqual(
      { ver, msgid, timestamp: Number.isSafeInteger(timestamp), from, to, type, payload, qos, retain },
      { ver: "1.0", msgid: expected.marker, timestamp: true, from: expected.from, to: "server", type: "status", payload: { temperature: 23.5 }, qos: expected.qos, retain: false },
    );
  },

  createSubscriber(identity: Identity, options: { readonly qos: 0 | 1 }, events: SubscriberEvents): Peer {
    const acks = options.qos === 1 ? new AckWriter(events.send) : undefined;
    let live = false;
    const client = createClient(events, {
      opened: () => {
        events.send(text({ type: "auth", deviceId: identity.id, token: identity.token }));
        events.send(text({ type: "subscribe", topic: "status/#", qos: options.qos, ref: "b" }));
      },
      control: (message) => {
        if (message["type"] === "subscribed") {
          live = true;
          events.ready();
        } else if (message["type"] !== "auth_response" || message["status"] !== "success") events.refused(JSON.stringify(message));
      },
      message: (bytes, start, end) => {
        if (!live || isControl(bytes, start)) return false;
        acks?.add(bytes, start, end);
        events.message(bytes, start, end);
        return true;
      },
    });
    return {
      hello: client.hello,
      receive(bytes, length) {
        client.receive(bytes, length);
        acks?.flush();
      },
    };
  },
};

interface ClientHandlers {
  /** The upgrade was answered with 101. */
  opened(): void;
  control(message: Readonly<Record<string, unknown>>): void;
  /** Takes a text frame's payload before it is parsed; false = it is no envelope. */
  message?(bytes: Uint8Array, start: number, end: number): boolean;
}

function createClient(events: PublisherEvents | SubscriberEvents, handlers: ClientHandlers): Peer {
  let head: Buffer | undefined = Buffer.alloc(0);
  const frames = new PacketReader(measureWebSocket, (bytes, start, end) => {
    const at = webSocketPayload(bytes, start);
    const kind = (bytes[start] ?? 0) & 0x0f;
    if (kind === opcode.text) {
      if (handlers.message?.(bytes, at, end) !== true) handlers.control(JSON.parse(Buffer.from(bytes.subarray(at, end)).toString()));
    } else if (kind === opcode.ping) events.send(clientFrame(opcode.pong, bytes.subarray(at, end)));
    else if (kind === opcode.close) {
      const reason = Buffer.from(bytes.subarray(at, end));
      events.refused(`closed with ${reason.length >= 2 ? reason.readUInt16BE() : "no code"} ${reason.subarray(2).toString()}`);
    }
  });
  return {
    hello: Buffer.from(
      `GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
    ),
    receive(bytes, length) {
      if (head === undefined) return frames.push(bytes, length);
      head = Buffer.concat([head, bytes.subarray(0, length)]);
      const end = head.indexOf("\r\n\r\n");
      if (end === -1) return;
      if (!head.subarray(0, 12).toString().startsWith("HTTP/1.1 101")) return events.refused(head.toString("latin1", 0, head.indexOf("\r\n")));
      const rest = head.subarray(end + 4);
      head = undefined;
      handlers.opened();
      if (rest.length > 0) frames.push(rest, rest.length);
    },
  };
}

/** Envelopes begin with `{"ver"`; everything else that the server sends begins with `{"type"`. */
function isControl(bytes: Uint8Array, start: number): boolean {
  return bytes[start + 2] === 0x74 && bytes[start + 3] === 0x79;
}

function text(message: object): Uint8Array {
  return clientFrame(opcode.text, Buffer.from(JSON.stringify(message)));
}

/**
 * A masked frame (RFC 6455 §5.3) whose masking key is zero, which leaves the payload as it is: a client may choose any key,
 * and this one lets a frame be patched in place. The server unmasks as always.
 */
function clientFrame(kind: number, payload: Uint8Array): Uint8Array {
  const header =
    payload.length < 126 ? [0x80 | kind, 0x80 | payload.length] : [0x80 | kind, 0x80 | 126, payload.length >> 8, payload.length & 0xff];
  return Uint8Array.from([...header, 0, 0, 0, 0, ...payload]);
}

/** Answers each delivery of one chunk with `{"type":"ack","msgid":…}`, all of them in one write. */
class AckWriter {
  static readonly #template = clientFrame(opcode.text, Buffer.from(JSON.stringify({ type: "ack", msgid: formatMarker(0, 0) })));
  static readonly #markerAt = Buffer.from(AckWriter.#template).indexOf("bench-");
  readonly #send: (bytes: Uint8Array) => void;
  #bytes: Uint8Array = new Uint8Array(AckWriter.#template.length * 1024);
  #used = 0;
  #offset = 0;

  constructor(send: (bytes: Uint8Array) => void) {
    this.#send = send;
  }

  add(bytes: Uint8Array, start: number, end: number): void {
    const template = AckWriter.#template;
    const marker = AckWriter.#markerAt;
    let from = start + this.#offset;
    if (bytes[from] !== 0x62 || bytes[from + 5] !== 0x2d) {
      from = Buffer.from(bytes.buffer, bytes.byteOffset, end).indexOf("bench-", start);
      this.#offset = from - start;
    }
    if (this.#used + template.length > this.#bytes.length) this.flush();
    this.#bytes.set(template, this.#used);
    for (let i = 0; i < 21; i++) this.#bytes[this.#used + marker + i] = bytes[from + i] ?? 0;
    this.#used += template.length;
  }

  flush(): void {
    if (this.#used === 0) return;
    // The socket may keep the bytes for later, so the next chunk's acks go to a buffer of their own.
    this.#send(this.#bytes.slice(0, this.#used));
    this.#used = 0;
  }
}
