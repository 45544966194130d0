import { WebSocket } from "ws";
import { closeError } from "../client/web-socket.ts";
import type { OpenLink } from "./link.ts";

/** A device that speaks JSON over WebSocket (WIRE §2). */
export const openWsLink: OpenLink = (url, { id, token }, events) => {
  const socket = new WebSocket(url, "busbar.v1.json", { handshakeTimeout: 10_000, perMessageDeflate: false });
  let cause: string | undefined;
  socket.on("open", () => socket.send(JSON.stringify({ type: "auth", deviceId: id, token })));
  socket.on("message", (data: Buffer) => {
    const frame = JSON.parse(data.toString()) as { readonly type?: string; readonly status?: string; readonly code?: string; readonly message?: string };
    if (frame.type === "ack") events.acked();
    else if (frame.type === "auth_response" && frame.status === "success") events.ready();
    else if (frame.type === "error") events.refused(`${frame.code}: ${frame.message}`);
  });
  socket.on("error", (error: Error) => (cause = error.message)); // "close" follows
  socket.on("close", (code, reason) => events.closed(cause ?? closeError(code, reason.toString()).message));
  return {
    send: ({ from, msgid, timestamp, qos, payload }) => socket.send(JSON.stringify({ ver: "1.0", msgid, timestamp, from, type: "status", qos, payload })),
    buffered: () => socket.bufferedAmount,
    close: () => socket.close(1000),
  };
};
