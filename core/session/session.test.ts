import * as v from "valibot";
import type { CodecFactory } from "../codec.ts";
import { envelopeJson } from "../codec/envelope-json.ts";
import { envelopeProto } from "../codec/envelope-proto.ts";
import { definePlugin } from "../plugin.ts";
import { SessionsPort } from "../ports.ts";
import { createPeer, sessionSuite, testPlugin, type SessionSubject } from "../testkit/mod.ts";
import type { Session, Sessions } from "./sessions.ts";
import type { Transport } from "./transport.ts";

/** A gateway whose only listener is this function: bytes go from hand to hand. */
async function open(codec: CodecFactory): Promise<SessionSubject> {
  let sessions: Sessions | undefined;
  const listener = definePlugin({
    name: "memory",
    description: "Sessions in memory",
    config: v.strictObject({}),
    needs: { sessions: SessionsPort },
    setup(ctx) {
      sessions = ctx.needs.sessions;
    },
  });
  const gateway = await testPlugin(listener, {});
  return {
    gateway,
    async connect() {
      let session: Session | undefined;
      const peer = createPeer({
        sendBytes: (bytes) => session!.receive(bytes.slice(), 0, bytes.length),
        destroy: () => session!.ended(),
      });
      const transport: Transport = {
        kind: "memory",
        remote: "here",
        send: (bytes) => peer.arrived(bytes.slice()),
        buffered: () => 0,
        pause() {},
        resume() {},
        close(code) {
          peer.ended(code);
          session?.ended();
        },
      };
      session = sessions!.open(transport, { codec: codec.create(), limits: { authTimeout: 200, redeliver: 200 } });
      return peer;
    },
    [Symbol.asyncDispose]: () => gateway.stop(),
  };
}

sessionSuite("an in-memory transport in JSON", () => open(envelopeJson), { codec: envelopeJson, closeCodes: true });
sessionSuite("an in-memory transport in protobuf", () => open(envelopeProto), { codec: envelopeProto, closeCodes: true });
