import { envelopeJson, envelopeProto, type CodecFactory } from "@busbar/core";
import { createPeer, sessionSuite, testPlugin, type SessionSubject } from "@busbar/core/testkit";
import http from "@busbar/http";
import { WebSocket } from "ws";
import { websocket } from "./mod.ts";

/** A gateway that listens on a real port, and a client that speaks that subprotocol. */
async function open(codec: CodecFactory): Promise<SessionSubject> {
  const gateway = await testPlugin(websocket, { authTimeout: "200ms", redeliver: "200ms" }, { plugins: { http: [http, { port: 0 }] } });
  const clients = new Set<WebSocket>();
  return {
    gateway,
    connect: () =>
      new Promise((resolve, reject) => {
        const ws = new WebSocket(gateway.urls[0]!, [codec.name]);
        clients.add(ws);
        const peer = createPeer({ sendBytes: (bytes) => ws.send(bytes, { binary: codec === envelopeProto }), destroy: () => ws.terminate() });
        ws.on("message", (data: Buffer) => peer.arrived(new Uint8Array(data)));
        ws.on("close", (code) => peer.ended(code));
        ws.once("error", reject);
        ws.once("open", () => resolve(peer));
      }),
    async [Symbol.asyncDispose]() {
      for (const ws of clients) ws.terminate();
      await gateway.stop();
    },
  };
}

sessionSuite("WebSocket in JSON", () => open(envelopeJson), { codec: envelopeJson, closeCodes: true });
sessionSuite("WebSocket in protobuf", () => open(envelopeProto), { codec: envelopeProto, closeCodes: true });
