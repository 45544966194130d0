import { connect as connectTcp, isIP } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";

/** What TLS to a broker is made with, PEM. */
export interface TlsFiles {
  readonly ca?: Buffer | undefined;
  readonly cert?: Buffer | undefined;
  readonly key?: Buffer | undefined;
}

/** How a stream to a broker is opened. */
export interface StreamOptions {
  readonly tls: TlsFiles;
  /** Longest WebSocket message taken, bytes. */
  readonly maxReceive: number;
}

/**
 * Opens a byte stream to a broker: TCP, TLS 1.2 and 1.3, or a WebSocket with the subprotocol `mqtt` (MQTT 5.0 §6). It may be written to at once; that it cannot be reached is
 * an "error" event. The caller owns it.
 */
export async function openStream(url: URL, { tls, maxReceive }: StreamOptions): Promise<Duplex> {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const secure = { ...tls, minVersion: "TLSv1.2" as const, rejectUnauthorized: true, ...(isIP(host) === 0 ? { servername: host } : {}) };
  switch (url.protocol) {
    case "mqtt:":
      return connectTcp({ host, port: Number(url.port || 1883), noDelay: true });
    case "mqtts:": {
      const socket = connectTls({ ...secure, host, port: Number(url.port || 8883) });
      socket.setNoDelay(true);
      return socket;
    }
    default: {
      const { createWebSocketStream, WebSocket } = await import("ws"); // most bridges use TCP and need none of it
      const socket = new WebSocket(url, "mqtt", { ...(url.protocol === "wss:" ? secure : {}), perMessageDeflate: false, maxPayload: maxReceive + 5 });
      const stream = createWebSocketStream(socket);
      socket.on("close", () => stream.destroy());
      return stream;
    }
  }
}
