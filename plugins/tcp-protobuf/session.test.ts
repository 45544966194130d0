import { connect, type Socket } from "node:net";
import { envelopeProto, varintFraming } from "@busbar/core";
import { createPeer, sessionSuite, testPlugin, type SessionSubject } from "@busbar/core/testkit";
import { tcpProtobuf } from "./mod.ts";

/** A gateway that listens on a real port, and a client that speaks size-delimited `busbar.v1.Frame`. */
async function open(): Promise<SessionSubject> {
  const gateway = await testPlugin(tcpProtobuf, { port: 0, authTimeout: "200ms", redeliver: "200ms" });
  const sockets = new Set<Socket>();
  return {
    gateway,
    connect: () =>
      new Promise((resolve, reject) => {
        const socket = connect(Number(new URL(gateway.urls[0]!).port), "127.0.0.1");
        sockets.add(socket);
        const deframer = varintFraming.createDeframer(1024 * 1024);
        const peer = createPeer({ sendBytes: (bytes) => void socket.write(varintFraming.frame(bytes)), destroy: () => void socket.destroy() });
        socket.on("data", (chunk: Buffer) => deframer.push(chunk, (bytes, start, end) => peer.arrived(Uint8Array.from(bytes.subarray(start, end)))));
        socket.on("close", () => peer.ended(undefined)); // TCP has no close codes
        socket.once("error", reject);
        socket.once("connect", () => resolve(peer));
      }),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await gateway.stop();
    },
  };
}

sessionSuite("TCP in protobuf", open, { codec: envelopeProto, closeCodes: false });
