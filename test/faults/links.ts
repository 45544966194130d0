import { connect } from "node:net";
import { createMessage, envelopeProto, varintFraming, type Draft, type Frame, type Message, type Qos } from "@busbar/core";
import { FrameSchema } from "@busbar/core/proto/gen/busbar/v1/envelope_pb.ts";
import { fromBinary } from "@bufbuild/protobuf";
import { WebSocket } from "ws";
import type { Urls } from "./gateway-process.ts";

/** A message as it arrives at a subscriber. */
export interface Delivered {
  readonly offset: number | undefined;
  readonly from: string;
  readonly msgid: string;
  readonly qos: number;
  readonly payload: unknown;
}

/** What a peer hears. Nothing more after `closed`, which is called once, also when the connection never came about. */
export interface LinkEvents {
  /** Authenticated. */
  ready?(): void;
  acked?(msgid: string, offset: number | undefined): void;
  /** Of a list over HTTP, all of it counts as refused, and `msgid` is not known. */
  refused?(code: string, msgid: string | undefined, message: string): void;
  delivered?(message: Delivered): void;
  closed?(reason: string): void;
}

/** A peer's connection, whatever its protocol. */
export interface Link {
  /** Hands over messages, in order. They may be lost with the connection. */
  send(drafts: readonly Draft[]): void;
  /** Subscribes: everything after offset `since`, or only what is retained and new. Not over HTTP. */
  subscribe(topic: string, options: { readonly qos: Qos; readonly since?: number | undefined }): void;
  acknowledge(msgid: string): void;
  /** Ends the connection without a word. */
  destroy(): void;
}

/** Who a peer says it is. */
export interface Identity {
  readonly id: string;
  readonly token: string;
}

/** Opens a connection and authenticates. */
export type OpenLink = (urls: Urls, identity: Identity, events: LinkEvents) => Link;

const frameLimit = 1 << 20;

/** Protobuf frames over TCP (WIRE §3). */
export const openTcpLink: OpenLink = (urls, { id, token }, events) => {
  const { hostname, port } = new URL(urls.get("TCP protobuf (envelope)")!);
  const codec = envelopeProto.create();
  const deframer = varintFraming.createDeframer(frameLimit);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  let open = true;
  const write = (bytes: Uint8Array | undefined): void => void (bytes && open && socket.write(varintFraming.frame(bytes)));
  const say = (frame: Exclude<Frame, Message>): void => write(codec.encode(frame));
  socket.on("connect", () => say({ kind: "auth", deviceId: id, token }));
  socket.on("data", (chunk: Buffer) => {
    deframer.push(chunk, (bytes, start, end) => {
      if (!open) return;
      const { frame } = fromBinary(FrameSchema, bytes.subarray(start, end));
      if (frame.case === "ack") events.acked?.(frame.value.msgid, undefined);
      else if (frame.case === "envelope") {
        const { value } = frame;
        events.delivered?.({ offset: value.offset === undefined ? undefined : Number(value.offset), from: value.from, msgid: value.msgid, qos: value.qos, payload: value.payload.case === "json" ? JSON.parse(value.payload.value) : value.payload.value });
      } else if (frame.case === "authResponse") events.ready?.();
      else if (frame.case === "error") events.refused?.(frame.value.code, frame.value.msgid || undefined, frame.value.message);
      else if (frame.case === "ping") say({ kind: "pong" });
    });
  });
  const end = closing(events, () => (open = false));
  socket.on("error", (error) => end(error.message));
  socket.on("close", () => end("closed"));
  return {
    send: (drafts) => drafts.forEach((draft) => write(codec.encodeMessage(createMessage(draft), undefined))),
    subscribe: (topic, { qos, since }) => say({ kind: "subscribe", topic, qos, since }),
    acknowledge: (msgid) => say({ kind: "ack", msgid }),
    destroy: () => socket.destroy(),
  };
};

/** JSON over WebSocket (WIRE §2). */
export const openWsLink: OpenLink = (urls, { id, token }, events) => {
  const socket = new WebSocket(urls.get("WebSocket")!, "busbar.v1.json", { perMessageDeflate: false });
  let open = true;
  const say = (frame: object): void => void (open && socket.send(JSON.stringify(frame)));
  socket.on("open", () => say({ type: "auth", deviceId: id, token }));
  socket.on("message", (data: Buffer) => {
    if (!open) return;
    const frame = JSON.parse(data.toString()) as Record<string, any>;
    if (frame["type"] === "ack" && frame["from"] === undefined) events.acked?.(frame["msgid"], frame["offset"]);
    else if (frame["type"] === "auth_response") events.ready?.();
    else if (frame["type"] === "error") events.refused?.(frame["code"], frame["msgid"], frame["message"]);
    else if (frame["from"] !== undefined) events.delivered?.(frame as Delivered & Record<string, any>);
  });
  const end = closing(events, () => (open = false));
  socket.on("error", (error: Error) => end(error.message));
  socket.on("close", (code) => end(`closed with ${code}`));
  return {
    send: (drafts) => drafts.forEach(say),
    subscribe: (topic, { qos, since }) => say({ type: "subscribe", topic, qos, since }),
    acknowledge: (msgid) => say({ type: "ack", msgid }),
    destroy: () => socket.terminate(),
  };
};

/** Most messages of one POST. */
const postLimit = 100;

/** `POST /api/messages` (WIRE §4): lists, one request at a time, so that they arrive in order. */
export const openHttpLink: OpenLink = (urls, { token }, events) => {
  const url = `${urls.get("HTTP API")!}/api/messages`;
  const ending = new AbortController();
  const waiting: Draft[] = [];
  let posting = false;
  const end = closing(events, () => ending.abort());
  const post = async (): Promise<void> => {
    if (posting) return;
    posting = true;
    try {
      while (waiting.length > 0 && !ending.signal.aborted) {
        const list = waiting.splice(0, postLimit);
        const response = await fetch(url, { method: "POST", signal: ending.signal, headers: { authorization: `Bearer ${token}`, "content-type": "application/json" }, body: JSON.stringify(list) });
        const answer: unknown = await response.json();
        if (!response.ok) {
          waiting.length = 0; // they would overtake what was refused
          return events.refused?.(response.status === 503 ? "OVERLOAD" : `HTTP ${response.status}`, undefined, JSON.stringify(answer));
        }
        for (const { msgid, offset } of answer as readonly { readonly msgid: string; readonly offset: number }[]) events.acked?.(msgid, offset);
      }
    } catch (error) {
      end((error as Error).message);
    } finally {
      posting = false;
    }
  };
  setImmediate(() => events.ready?.());
  return {
    send(drafts) {
      waiting.push(...drafts);
      void post();
    },
    subscribe: () => {
      throw new TypeError("Cannot subscribe over HTTP");
    },
    acknowledge: () => {},
    destroy: () => end("destroyed"),
  };
};

function closing(events: LinkEvents, shut: () => void): (reason: string) => void {
  let over = false;
  return (reason) => {
    if (over) return;
    over = true;
    shut();
    events.closed?.(reason);
  };
}
