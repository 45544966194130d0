import { createHash, timingSafeEqual } from "node:crypto";
import type { Socket } from "node:net";
import type { Credentials } from "../authority.ts";
import type { Codec } from "../codec.ts";
import { BusbarError } from "../errors.ts";
import type { Frame } from "../frame.ts";
import { speaksFor } from "../topic.ts";
import { createNetworkTest } from "./address.ts";
import { certificateOf } from "./certificate.ts";
import type { ListenerConfig } from "./listener-config.ts";

/** Why somebody gets in, and as what. */
export interface Admission {
  /** A valid client certificate: the authority says who that is. */
  readonly credentials?: Credentials;
  /** The listener vouches for its peers; where `within` is set, for ids at or below it. */
  readonly trusted?: { readonly roles: readonly string[] };
  readonly within?: string | undefined;
  /** The first frame must be the listener token. */
  readonly token?: boolean;
}

/** Decides about a connection from what can be seen of it before its first byte; undefined = it is not let in. */
export type Access = (socket: Socket, address: string) => Admission | undefined;

const byAuthFrame: Admission = {};

/** Compiles the listener's access rule (WIRE §3, last paragraph). `login`: the protocol itself says who a client is. */
export function createAccess({ clients, tls }: ListenerConfig, login: boolean): Access {
  if (clients?.by === "network") {
    const rules = clients.allow.map(({ cidr, roles, within }) => ({ covers: createNetworkTest(cidr), admission: { trusted: { roles }, within } }));
    return (_socket, address) => rules.find(({ covers }) => covers(address))?.admission;
  }
  if (clients?.by === "token") {
    const admission: Admission = { trusted: { roles: clients.roles }, token: true };
    return () => admission;
  }
  if (login || clients?.by === "certificate") {
    return (socket) => {
      const credentials = tls && certificateOf(socket);
      if (credentials !== undefined) return { credentials };
      return clients?.by === "certificate" ? undefined : byAuthFrame;
    };
  }
  const local: Admission = { trusted: { roles: ["device"] } }; // the config let only a loopback host through
  return () => local;
}

/** Makes the test of the first frame: in constant time, so that the answer tells nothing about how much of it was right. */
export function createTokenTest(token: string): (frame: Uint8Array) => boolean {
  const digest = (text: string | Uint8Array): Buffer => createHash("sha256").update(text).digest();
  const wanted = digest(token);
  return (frame) => timingSafeEqual(digest(frame), wanted);
}

/** A codec whose devices must be called `within` or something below it. */
export function limitCodec(codec: Codec, within: string): Codec {
  const check = (frame: Frame): void => {
    if (frame.kind === "message" && !speaksFor(within, frame.from)) throw new BusbarError("FORBIDDEN", `Cannot take a message from ${JSON.stringify(frame.from.slice(0, 80))}: this network may only speak for "${within}"`);
  };
  return {
    decode(bytes, start, end) {
      const frames = codec.decode(bytes, start, end);
      if ("kind" in frames) check(frames);
      else frames.forEach(check);
      return frames;
    },
    ...(codec.identity && { identity: (message) => codec.identity!(message) }),
    encode: (frame) => codec.encode(frame),
    encodeMessage: (message, offset, terms) => codec.encodeMessage(message, offset, terms),
  };
}
