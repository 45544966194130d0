// The yardstick: one job, by hand, as fast as Node does it. Authenticated devices send busbar.v1.Frame over TCP; each envelope
// goes as JSON to every WebSocket that subscribed to `status/#`. No bus, no rights beyond `from`, no metrics, no plugins.
import { createHash } from "node:crypto";
import { createServer as createHttpServer } from "node:http";
import type { IncomingMessage } from "node:http";
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { measureDelimited, PacketReader } from "../wires/packet-reader.ts";
import { createFields, decodeEnvelope } from "./envelope.ts";
import { OutBuffer } from "./out-buffer.ts";
import { envelopeToJson } from "./values.ts";
import { acceptWebSocket } from "./web-socket.ts";

const frameTag = { auth: 0x0a, envelope: 0x1a } as const;
/** Frame { auth_response { status: "success" } }, size-delimited. */
const authenticated = Uint8Array.from([11, 0x12, 9, 0x0a, 7, ...Buffer.from("success")]);

/** `--values` turns every field into a JavaScript value on the way; without it bytes become bytes. */
const asValues = process.argv.includes("--values");
const out = new OutBuffer();
const fields = createFields();

function onDevice(socket: Socket): void {
  let id: Uint8Array | undefined;
  socket.setNoDelay(true);
  socket.on("error", () => socket.destroy());
  const reader = new PacketReader(measureDelimited, (bytes, start, end) => {
    let at = start;
    while ((bytes[at++] ?? 0) >= 0x80);
    const tag = bytes[at++];
    while ((bytes[at++] ?? 0) >= 0x80);
    if (tag === frameTag.envelope && id !== undefined) {
      if (!decodeEnvelope(bytes, at, end, fields) || !isFrom(id) || !isVersion() || !send()) socket.destroy();
    } else if (tag === frameTag.auth && id === undefined) {
      // Auth.device_id is its first field.
      id = Uint8Array.from(bytes.subarray(at + 2, at + 2 + (bytes[at + 1] ?? 0)));
      socket.write(authenticated);
    } else socket.destroy();
  });
  socket.on("data", (chunk) => reader.push(chunk, chunk.length));
}

/** Passes on the decoded envelope; false = it holds something that is not JSON. */
function send(): boolean {
  if (!asValues) return out.append(fields);
  try {
    out.appendText(envelopeToJson(fields));
    return true;
  } catch {
    return false;
  }
}

/** Whether the decoded envelope comes from who the connection belongs to. */
function isFrom(id: Uint8Array): boolean {
  const { bytes, fromAt, fromEnd } = fields;
  if (fromEnd - fromAt !== id.length) return false;
  for (let i = 0; i < id.length; i++) if (bytes[fromAt + i] !== id[i]) return false;
  return true;
}

/** Whether the decoded envelope says version 1.x. */
function isVersion(): boolean {
  return fields.bytes[fields.verAt] === 0x31 && fields.bytes[fields.verAt + 1] === 0x2e;
}

function onUpgrade(request: IncomingMessage, socket: Duplex & Partial<Pick<Socket, "setNoDelay">>): void {
  const accept = createHash("sha1").update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  acceptWebSocket(socket as Socket, out);
}

const devices = createServer(onDevice).listen(0, "127.0.0.1", 4096, () => {
  const http = createHttpServer().on("upgrade", onUpgrade);
  http.listen(0, "127.0.0.1", 4096, () => {
    process.stdout.write(`ready ${JSON.stringify({ tcp: port(devices.address()), ws: port(http.address()) })}\n`);
  });
});

function port(address: AddressInfo | string | null): number {
  return typeof address === "object" && address !== null ? address.port : 0;
}
