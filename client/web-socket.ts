import type { Connection, ConnectionEvents, Transport, WireFrame } from "./connection.ts";
import type { Outgoing } from "./envelope.ts";

/** JSON over the WebSocket that browsers, Node and Deno bring (WIRE §2, subprotocol `busbar.v1.json`). */
export const webSocket: Transport = webSocketBy((url, protocol) => new WebSocket(url, protocol));

/** The same on a WebSocket that `create` makes, such as that of the package ws with options of one's own. */
export function webSocketBy(create: (url: string, protocol: string) => WebSocket): Transport {
  return { open: (url, events) => openOn(create(url, "busbar.v1.json"), events) };
}

function openOn(socket: WebSocket, events: ConnectionEvents): Connection {
  let open = true;
  const end = (code: number, reason: string): void => {
    if (!open) return;
    open = false;
    events.closed(code, reason);
  };
  socket.onopen = () => {
    if (open) events.opened();
  };
  socket.onmessage = ({ data }: { readonly data: unknown }) => {
    if (!open || typeof data !== "string") return;
    const frame = parseFrame(data);
    if (frame) events.frame(frame);
  };
  socket.onclose = ({ code, reason }: { readonly code: number; readonly reason: string }) => end(code === 1006 ? 0 : code, reason);
  const send = (text: string): void => {
    if (open && socket.readyState === 1) socket.send(text);
  };
  return connectionOn(socket, send, () => {
    open = false;
  });
}

function connectionOn(socket: WebSocket, send: (text: string) => void, silence: () => void): Connection {
  return {
    publish(messages) {
      if (messages.length === 1) send(formatEnvelope(messages[0]!));
      else send(`{"type":"batch","data":[${messages.map(formatEnvelope).join(",")}]}`);
    },
    send: (frame) => send(JSON.stringify(frame)),
    buffered: () => socket.bufferedAmount,
    close(clean) {
      silence();
      if (socket.readyState > 1) return;
      if (clean) socket.close(1000);
      else socket.close(3000, "broken"); // any other code than 1000 is no goodbye; browsers let a page send 1000 and from 3000 on
    },
  };
}

/** What is not an object with a type is no frame of this protocol, and says nothing to us. */
function parseFrame(text: string): WireFrame | undefined {
  try {
    const frame: unknown = JSON.parse(text);
    return typeof frame === "object" && frame !== null && "type" in frame ? (frame as WireFrame) : undefined;
  } catch {
    return undefined;
  }
}

/** The payload is JSON already, and is not parsed to be formatted again. */
function formatEnvelope({ payload, ...fields }: Outgoing): string {
  return `${JSON.stringify({ ver: "1.0", ...fields }).slice(0, -1)},"payload":${payload}}`;
}

