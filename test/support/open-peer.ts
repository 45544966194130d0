import { connect } from "node:net";
import { envelopeProto, varintFraming, type CodecFactory } from "@busbar/core";
import { createPeer, type SessionPeer } from "@busbar/core/testkit";
import { WebSocket } from "ws";

/** Connects to a listener: `ws://…` with the codec's subprotocol, or `tcp://…`. */
export function openPeer(url: string, codec: CodecFactory): Promise<SessionPeer> {
  return url.startsWith("ws:") ? openWebSocket(url, codec) : openTcp(url);
}

function openWebSocket(url: string, codec: CodecFactory): Promise<SessionPeer> {
  return new Promise((resolve, reject) => {
    const ws = new WebSocket(url, [codec.name]);
    const peer = createPeer({ sendBytes: (bytes) => ws.send(bytes, { binary: codec === envelopeProto }), destroy: () => ws.terminate() });
    ws.on("message", (data: Buffer) => peer.arrived(new Uint8Array(data)));
    ws.on("close", (code) => peer.ended(code));
    ws.once("error", reject);
    ws.once("open", () => resolve(peer));
  });
}

function openTcp(url: string): Promise<SessionPeer> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    const deframer = varintFraming.createDeframer(1024 * 1024);
    const peer = createPeer({ sendBytes: (bytes) => void socket.write(varintFraming.frame(bytes)), destroy: () => void socket.destroy() });
    socket.on("data", (chunk: Buffer) => deframer.push(chunk, (bytes, start, end) => peer.arrived(Uint8Array.from(bytes.subarray(start, end)))));
    socket.on("close", () => peer.ended(undefined));
    socket.once("error", reject);
    socket.once("connect", () => resolve(peer));
  });
}
