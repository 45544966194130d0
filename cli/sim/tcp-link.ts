import { connect } from "node:net";
import { compileMessage, createMessage, envelopeProto, errorText, varintFraming } from "@busbar/core";
import { FrameSchema } from "@busbar/core/proto/gen/busbar/v1/envelope_pb.ts";
import type { LinkEvents, OpenLink } from "./link.ts";

const frameLimit = 1024 * 1024;
const frames = compileMessage(FrameSchema);

/** The part of a decoded `busbar.v1.Frame` that a device looks at. */
interface ServerFrame {
  readonly auth_response?: { readonly status: string };
  readonly ack?: object;
  readonly error?: { readonly code: string; readonly message: string };
  readonly ping?: object;
}

/** A device that speaks `busbar.v1.Frame` over TCP (WIRE §3, codec `envelope`). */
export const openTcpLink: OpenLink = (url, { id, token }, events) => {
  const codec = envelopeProto.create();
  const deframer = varintFraming.createDeframer(frameLimit);
  const socket = connect({ host: url.hostname.replace(/^\[|\]$/g, ""), port: Number(url.port), noDelay: true });
  const write = (bytes: Uint8Array | undefined): void => void (bytes && socket.writable && socket.write(varintFraming.frame(bytes)));
  let cause = "the gateway closed the connection";
  socket.on("connect", () => write(codec.encode({ kind: "auth", deviceId: id, token })));
  socket.on("data", (chunk: Buffer) => {
    try {
      deframer.push(chunk, (bytes, start, end) => {
        const frame = frames.decode(bytes, start, end) as ServerFrame;
        if (frame.ping) write(codec.encode({ kind: "pong" }));
        else cause = hear(frame, events) ?? cause;
      });
    } catch (error) {
      cause = errorText(error);
      socket.destroy();
    }
  });
  socket.on("error", (error) => (cause = error.message)); // "close" follows
  socket.on("close", () => events.closed(cause));
  return {
    send: (report) => write(codec.encodeMessage(createMessage({ type: "status", ...report }), undefined)),
    buffered: () => socket.writableLength,
    close: () => socket.end(),
  };
};

/** Gives the reason when the gateway is about to close the connection. */
function hear({ ack, auth_response: answer, error }: ServerFrame, events: LinkEvents): string | undefined {
  if (ack) events.acked();
  else if (answer?.status === "success") events.ready();
  else if (answer) return "the token was refused";
  else if (error) events.refused(`${error.code}: ${error.message}`);
  return undefined;
}
