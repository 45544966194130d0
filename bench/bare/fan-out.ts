// The yardstick for fan-out: the `ws` library accepts the subscribers; each message is framed once, the frames of one tick are
// joined, and the same bytes are written to every socket. Nothing is encoded or copied per subscriber.
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { WebSocketServer } from "ws";
import { delimitedContent, measureDelimited, PacketReader } from "../wires/packet-reader.ts";
import { createFields, decodeEnvelope } from "./envelope.ts";
import { OutBuffer } from "./out-buffer.ts";

const out = new OutBuffer();
const fields = createFields();
/** Frame { auth_response { status: "success" } }, size-delimited. */
const authenticated = Uint8Array.from([11, 0x12, 9, 0x0a, 7, ...Buffer.from("success")]);

function onDevice(socket: Socket): void {
  socket.setNoDelay(true);
  socket.on("error", () => socket.destroy());
  const reader = new PacketReader(measureDelimited, (bytes, start, end) => {
    let at = delimitedContent(bytes, start);
    const tag = bytes[at++];
    while ((bytes[at++] ?? 0) >= 0x80);
    if (tag === 0x0a) socket.write(authenticated);
    else if (tag !== 0x1a || !decodeEnvelope(bytes, at, end, fields) || !out.append(fields)) socket.destroy();
  });
  socket.on("data", (chunk) => reader.push(chunk, chunk.length));
}

const webSockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
const http = createHttpServer();
http.on("upgrade", (request, socket, head) => {
  const raw = socket as Socket;
  raw.setNoDelay(true);
  webSockets.handleUpgrade(request, socket, head, (client) => {
    client.on("close", () => out.subscribers.delete(raw));
    client.on("error", () => raw.destroy());
    client.on("message", (data) => {
      const message = JSON.parse(String(data));
      if (message.type === "auth") client.send(JSON.stringify({ type: "auth_response", status: "success", timestamp: Date.now() }));
      else if (message.type === "subscribe") {
        client.send(JSON.stringify({ type: "subscribed", topic: message.topic, ref: message.ref }));
        out.subscribers.add(raw);
      }
    });
  });
});

const devices = createServer(onDevice).listen(0, "127.0.0.1", 4096, () => {
  http.listen(0, "127.0.0.1", 4096, () => {
    process.stdout.write(`ready ${JSON.stringify({ tcp: port(devices.address()), ws: port(http.address()) })}\n`);
  });
});

function port(address: AddressInfo | string | null): number {
  return typeof address === "object" && address !== null ? address.port : 0;
}
