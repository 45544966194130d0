import { randomBytes } from "node:crypto";
import { formatMarker, markerSequenceOffset } from "./marker.ts";
import { measureNats, PacketReader } from "./packet-reader.ts";
import type { FrameTemplate, Identity, Peer, PublisherEvents, SubscriberEvents, TemplateOptions, Wire } from "./wire.ts";

/** First letters of what the server says (NATS client protocol): INFO, MSG, PING, PONG, -ERR. */
const letter = { message: 0x4d, p: 0x50, pingI: 0x49, error: 0x2d, blank: 0x20, return: 0x0d } as const;

const greeting = 'CONNECT {"verbose":false,"pedantic":false}\r\n';
/** A stream in files, and a consumer that pushes to `inbox` and wants every message acknowledged (JetStream API v1). */
const stream = { name: "bench", subjects: ["status.*"], storage: "file", retention: "limits", num_replicas: 1 };
const consumerOf = (inbox: string): object => ({
  stream_name: stream.name,
  config: { deliver_subject: inbox, deliver_policy: "new", ack_policy: "explicit", ack_wait: 30e9, max_ack_pending: 65_535 },
});

/** NATS: qos 0 is a plain subject, qos 1 a JetStream stream in files whose publishes and deliveries are acknowledged. */
export const nats: Wire = {
  createPublisher(identity: Identity, events: PublisherEvents): Peer {
    return createClient(`${greeting}SUB _P.${identity.id} 1\r\nPING\r\n`, events, {
      pong: () => events.ready(),
      // {"stream":…} says that it is stored, {"error":…} that it is not.
      message: (bytes, start, end) => {
        if (bytes[contentOf(bytes, start) + 2] === 0x73) events.acked();
        else events.refused(Buffer.from(bytes.subarray(start, end)).toString());
      },
    });
  },

  createTemplate(identity: Identity, options: TemplateOptions): FrameTemplate {
    const marker = formatMarker(options.publisher, 0);
    const reply = options.qos === 1 ? ` _P.${identity.id}` : "";
    const content = payload(marker);
    const bytes = Buffer.from(`PUB status.${identity.id}${reply} ${content.length}\r\n${content}\r\n`);
    return { bytes, sequenceAt: bytes.indexOf(marker) + markerSequenceOffset, packetIdAt: -1, timestampAt: -1 };
  },

  isComplete(delivery, expected) {
    const text = Buffer.from(delivery).toString("latin1");
    return text.startsWith(`MSG status.${expected.from} `) && text.endsWith(`${payload(expected.marker)}\r\n`);
  },

  createSubscriber(_identity: Identity, options: { readonly qos: 0 | 1 }, events: SubscriberEvents): Peer {
    const inbox = `_D.${randomBytes(8).toString("hex")}`;
    const steps =
      options.qos === 0
        ? ["SUB status.* 1\r\nPING\r\n"]
        : [`SUB ${inbox}.api 9\r\nSUB ${inbox} 1\r\n${request(`STREAM.CREATE.${stream.name}`, inbox, stream)}`, request(`CONSUMER.CREATE.${stream.name}`, inbox, consumerOf(inbox))];
    let live = false;
    let acks = "";
    const next = (): void => {
      const step = steps.shift();
      live = step === undefined;
      if (step === undefined) events.ready();
      else events.send(Buffer.from(step));
    };
    const client = createClient(`${greeting}PING\r\n`, events, {
      pong: next,
      message: (bytes, start, end) => {
        if (live) {
          if (options.qos === 1) acks += `PUB ${replyOf(bytes, start)} 4\r\n+ACK\r\n`;
          events.message(bytes, start, end);
          return;
        }
        const answer = Buffer.from(bytes.subarray(contentOf(bytes, start), end)).toString();
        if (answer.includes('"error":')) events.refused(answer);
        else next();
      },
    });
    return {
      hello: client.hello,
      receive(bytes, length) {
        client.receive(bytes, length);
        if (acks !== "") events.send(Buffer.from(acks, "latin1"));
        acks = "";
      },
    };
  },
};

interface ClientHandlers {
  pong(): void;
  message(bytes: Uint8Array, start: number, end: number): void;
}

function createClient(hello: string, events: PublisherEvents | SubscriberEvents, handlers: ClientHandlers): Peer {
  const reader = new PacketReader(measureNats, (bytes, start, end) => {
    if (bytes[start] === letter.message) handlers.message(bytes, start, end);
    else if (bytes[start] === letter.p && bytes[start + 1] === letter.pingI) events.send(Buffer.from("PONG\r\n"));
    else if (bytes[start] === letter.p) handlers.pong();
    else if (bytes[start] === letter.error) events.refused(Buffer.from(bytes.subarray(start, end)).toString().trim());
  });
  return { hello: Buffer.from(hello), receive: (bytes, length) => reader.push(bytes, length) };
}

function request(api: string, inbox: string, body: object): string {
  const content = JSON.stringify(body);
  return `PUB $JS.API.${api} ${inbox}.api ${content.length}\r\n${content}\r\n`;
}

function payload(marker: string): string {
  return JSON.stringify({ msgid: marker, temperature: 23.5 });
}

/** Where the content of the MSG at `start` begins: behind its first line. */
function contentOf(bytes: Uint8Array, start: number): number {
  let at = start;
  while (bytes[at] !== letter.return) at++;
  return at + 2;
}

/** The third word of `MSG <subject> <sid> <reply> <size>`. */
function replyOf(bytes: Uint8Array, start: number): string {
  let at = start;
  for (let blanks = 0; blanks < 3; at++) if (bytes[at] === letter.blank) blanks++;
  let end = at;
  while (bytes[end] !== letter.blank) end++;
  return Buffer.from(bytes.buffer, bytes.byteOffset + at, end - at).toString("latin1");
}
