import { fromBinary } from "@bufbuild/protobuf";
import type { CodecFactory } from "../codec.ts";
import { createMessage, type Draft, formatPayload, type Message, parsePayload } from "../envelope.ts";
import type { Frame } from "../frame.ts";
import { FrameSchema, type Envelope } from "../proto/gen/busbar/v1/envelope_pb.ts";

/** What a server said, in one shape for every encoding: the field names of WIRE §2. Absent fields are absent. */
export interface ServerFrame {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** How a connection ended. `code` is undefined where the transport has no close codes. */
export interface PeerClosed {
  readonly code: number | undefined;
}

/** The client side of one connection, as the session suite drives it. */
export interface SessionPeer {
  /** Sends raw bytes as one frame. */
  sendBytes(bytes: Uint8Array): void;
  /** Frames that have arrived and were not taken yet. */
  readonly inbox: Uint8Array[];
  /** Called whenever a frame arrives or the connection ends. */
  onChange: () => void;
  closed: PeerClosed | undefined;
  /** Ends the connection without a word, as a pulled plug does. */
  destroy(): void;
}

/** Speaks with a server through a peer, frame by frame. */
export class PeerDriver {
  readonly #peer: SessionPeer;
  readonly #codec: CodecFactory;

  constructor(peer: SessionPeer, codec: CodecFactory) {
    this.#peer = peer;
    this.#codec = codec;
  }

  get closed(): PeerClosed | undefined {
    return this.#peer.closed;
  }

  /** Frames that have arrived and were not taken. */
  get pending(): number {
    return this.#peer.inbox.length;
  }

  send(frame: Exclude<Frame, Message>): void {
    this.#peer.sendBytes(this.#codec.create().encode(frame)!);
  }

  /** Sends an envelope; the fields go out as they are, whatever the server may say to them. */
  publish(draft: Draft): void {
    const whole = { msgid: "m", timestamp: 1, ...draft };
    if (this.#codec.name !== "busbar.v1.json") return this.#peer.sendBytes(this.#codec.create().encodeMessage(createMessage(whole), undefined)!);
    const payload: unknown = JSON.parse(formatPayload(draft.payload));
    this.#peer.sendBytes(new TextEncoder().encode(JSON.stringify({ ...whole, payload })));
  }

  sendBytes(bytes: Uint8Array): void {
    this.#peer.sendBytes(bytes);
  }

  destroy(): void {
    this.#peer.destroy();
  }

  auth(token: string, deviceId: string = token.split(":")[0]!): void {
    this.send({ kind: "auth", deviceId, token });
  }

  /** The next frame; of that type where one is given, leaving out others. */
  async next(type?: string): Promise<ServerFrame> {
    for (;;) {
      const bytes = this.#peer.inbox.shift();
      if (bytes !== undefined) {
        const frame = decodeServerFrame(bytes, this.#codec.name);
        if (type === undefined || frame.type === type) return frame;
        continue;
      }
      if (this.#peer.closed) throw new Error(`connection closed (${this.#peer.closed.code ?? "no code"}) while waiting for ${type ?? "a frame"}`);
      await this.#change(`no ${type ?? "frame"} came`);
    }
  }

  /** Resolves with how the connection ended. */
  async end(): Promise<PeerClosed> {
    while (!this.#peer.closed) await this.#change("the connection was not closed");
    return this.#peer.closed;
  }

  #change(complaint: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${complaint} within 20 s`)), 20_000);
      this.#peer.onChange = () => {
        clearTimeout(timer);
        this.#peer.onChange = () => {};
        resolve();
      };
    });
  }
}

function decodeServerFrame(bytes: Uint8Array, codec: string): ServerFrame {
  if (codec === "busbar.v1.json") {
    const frame = JSON.parse(new TextDecoder().decode(bytes)) as ServerFrame;
    return "payload" in frame ? { ...frame, payload: parsePayload(frame["payload"]) } : frame;
  }
  const { frame } = fromBinary(FrameSchema, bytes);
  if (frame.case === undefined) throw new Error("the server sent an empty frame");
  if (frame.case === "envelope") return fromProto(frame.value);
  const { $typeName: _name, $unknown: _unknown, ...fields } = frame.value as unknown as Record<string, unknown>;
  const type = frame.case === "authResponse" ? "auth_response" : frame.case;
  return { type, ...Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== "" && value !== undefined).map(([key, value]) => [key, typeof value === "bigint" ? Number(value) : value])) };
}

function fromProto(e: Envelope): ServerFrame {
  const payload: unknown = e.payload.case === "data" ? e.payload.value : parsePayload(JSON.parse(e.payload.value ?? "null"));
  return {
    ver: e.ver, msgid: e.msgid, timestamp: Number(e.timestamp), from: e.from, to: e.to, type: e.type, payload, qos: e.qos, retain: e.retain,
    ...(e.expires === undefined ? {} : { expires: Number(e.expires) }),
    ...(e.replace === undefined ? {} : { replace: e.replace }),
    ...(e.offset === undefined ? {} : { offset: Number(e.offset) }),
  };
}

/** The parts of a peer that every transport's client shares: a place for what arrives. */
export function createPeer(transport: { sendBytes(bytes: Uint8Array): void; destroy(): void }): SessionPeer & { arrived(bytes: Uint8Array): void; ended(code: number | undefined): void } {
  return {
    ...transport,
    inbox: [],
    onChange: () => {},
    closed: undefined,
    arrived(bytes) {
      this.inbox.push(bytes);
      this.onChange();
    },
    ended(code) {
      this.closed ??= { code };
      this.onChange();
    },
  };
}
