import * as v from "valibot";
import type { Credentials } from "../../authority.ts";
import type { Codec } from "../../codec.ts";
import { envelopeProto } from "../../codec/envelope-proto.ts";
import { BusbarError } from "../../errors.ts";
import type { Frame } from "../../frame.ts";
import { asksForCertificate, type TlsConfig } from "../../listener/tls-config.ts";
import type { Session, SessionOptions, Sessions } from "../../session/sessions.ts";
import { CloseCode, type Transport } from "../../session/transport.ts";
import { isPattern, isType } from "../../topic.ts";
import { packControl, packMessage } from "./border-frame.ts";
import { unpackError } from "./border-error.ts";
import type { Link } from "./link.ts";
import { shortText, wholeNumber } from "./said.ts";

/** Sessions of one isolate at once. */
const sessionLimit = 20_000;

const limits = v.partial(
  v.object({
    authTimeout: v.number(),
    rate: v.number(),
    identities: v.number(),
    inFlight: v.number(),
    redeliver: v.number(),
    subscriptions: v.number(),
    buffer: v.number(),
    slowConsumer: v.picklist(["drop-oldest", "drop-newest", "latest", "disconnect"]),
    queue: v.number(),
  }),
);

/** What an isolate may ask for with a session. Never a principal: who a peer is, is up to the authority. */
const asked = v.object({
  commands: v.optional(v.picklist(["push", "on-input", "none"]), "push"),
  answers: v.optional(v.boolean(), true),
  limits: v.optional(limits, {}),
  will: v.optional(v.object({ type: v.pipe(v.string(), v.check(isType)), payload: v.unknown(), qos: v.picklist([0, 1, 2]), retain: v.boolean() })),
  trusted: v.optional(v.object({ roles: v.array(v.string()) })),
  credentials: v.optional(v.variant("kind", [v.object({ kind: v.literal("token"), token: v.string(), id: v.optional(v.string()) }), v.object({ kind: v.literal("certificate"), names: v.array(v.string()), fingerprint: v.string() })])),
});

const closeCodes: ReadonlySet<unknown> = new Set(Object.values(CloseCode));
const border = envelopeProto.create();

/** What the sessions of an isolate are made with. */
export interface SessionBridgeOptions {
  readonly sessions: Sessions;
  readonly link: Link;
  /** The config of the plugin: what it may vouch for stands in there. */
  readonly config: unknown;
  /** Called for each refusal, with what was refused. */
  readonly onRefused: (what: string) => void;
}

/**
 * The gateway's end of an isolate's sessions. What the isolate made of its devices' bytes comes as the frames of WIRE §2 and is read by the same decoder as that of any peer, and the session
 * checks it against the same rights: an isolate can no more than all of its devices together.
 */
export class SessionBridge {
  readonly #options: SessionBridgeOptions;
  readonly #sessions = new Map<number, BridgedSession>();
  readonly #roles: ReadonlySet<string>;
  readonly #certificates: boolean;

  constructor(options: SessionBridgeOptions) {
    this.#options = options;
    const { clients, tls } = options.config as { readonly clients?: unknown; readonly tls?: Pick<TlsConfig, "caFile" | "requestClientCert" | "requireClientCert"> };
    this.#roles = new Set(rolesIn(clients) ?? ["device"]);
    this.#certificates = tls !== undefined && asksForCertificate(tls as TlsConfig);
  }

  /** Takes what the isolate says about a session; false for anything else. @throws {SyntaxError} when it makes no sense. */
  take(head: readonly unknown[], body: Uint8Array): boolean {
    const kind = head[0] as string;
    if (kind === "session-open") {
      this.#open(wholeNumber(head[1], "a session"), head[2], head[3]);
      return true;
    }
    if (kind !== "frame" && kind !== "frame-refused" && !kind.startsWith("session-")) return false;
    this.#sessions.get(wholeNumber(head[1], "a session"))?.take(kind, head, body);
    return true;
  }

  /** Tells the isolate which of its sessions wait for the gateway; to be called now and then. */
  report(): void {
    for (const session of this.#sessions.values()) session.report();
  }

  /** The isolate is gone: its peers are. */
  end(): void {
    for (const session of this.#sessions.values()) session.ended();
    this.#sessions.clear();
  }

  #open(id: number, transport: unknown, options: unknown): void {
    const { sessions, link, onRefused } = this.#options;
    if (this.#sessions.has(id)) throw new SyntaxError("Cannot open the session: there is one of that number");
    const { remote, kind } = transport as { readonly remote: unknown; readonly kind: unknown };
    const parsed = v.safeParse(asked, options);
    if (!parsed.success) throw new SyntaxError(`Cannot open the session: ${parsed.issues[0].message}`);
    const { trusted, credentials, ...rest } = parsed.output;
    const refusal =
      this.#sessions.size >= sessionLimit ? `more than ${sessionLimit} sessions`
      : trusted?.roles.some((role) => !this.#roles.has(role)) ? `roles that its config does not name: ${trusted.roles.join(", ").slice(0, 200)}`
      : credentials?.kind === "certificate" && !this.#certificates ? "a client certificate, which its config does not ask for"
      : undefined;
    if (refusal !== undefined) {
      onRefused(refusal);
      return link.send(["session-closed", id, CloseCode.authFailed, "refused"]);
    }
    const session = new BridgedSession(id, { link, remote: shortText(remote, "a peer's address", 200), kind: shortText(kind, "a transport", 32), gone: () => this.#sessions.delete(id) });
    this.#sessions.set(id, session);
    session.open(sessions, { ...rest, ...(trusted && { trusted }), ...(credentials && { credentials: credentials as Credentials }) } as Omit<SessionOptions, "codec">);
  }
}

/** Every role that a config gives its clients, undefined where it names none. */
function rolesIn(clients: unknown): readonly string[] | undefined {
  if (typeof clients !== "object" || clients === null) return undefined;
  const { roles, allow } = clients as { readonly roles?: readonly string[]; readonly allow?: readonly { readonly roles: readonly string[] }[] };
  return roles ?? allow?.flatMap((one) => one.roles) ?? [];
}

interface Parts {
  readonly link: Link;
  readonly remote: string;
  readonly kind: string;
  readonly gone: () => void;
}

/** One peer of an isolate: a transport for the session, and a codec that says what has come across the border. */
class BridgedSession implements Transport {
  readonly remote: string;
  readonly kind: string;
  readonly #id: number;
  readonly #parts: Parts;
  #session: Session | undefined;
  #unread = 0;
  #waits = false;
  #greeted = false;
  /** What the codec gives the session next. */
  #next: Frame | BusbarError | undefined;
  #identity: string | undefined;

  constructor(id: number, parts: Parts) {
    this.#id = id;
    this.#parts = parts;
    this.remote = parts.remote;
    this.kind = parts.kind;
  }

  open(sessions: Sessions, options: Omit<SessionOptions, "codec">): void {
    const codec: Codec = {
      decode: () => {
        const next = this.#next!;
        if (next instanceof BusbarError) throw next;
        return next;
      },
      identity: (message) => this.#identity ?? message.from,
      encode: (frame) => {
        if (frame.kind === "auth_response") this.#greeted = true;
        return packControl(frame);
      },
      encodeMessage: (message, offset) => packMessage(message, offset),
    };
    this.#session = sessions.open(this, { ...options, codec, binary: true, onClose: () => this.#parts.link.send(["session-over", this.#id]) });
  }

  take(kind: string, head: readonly unknown[], body: Uint8Array): void {
    const session = this.#session;
    if (session === undefined) return;
    switch (kind) {
      case "frame":
        this.#identity = head[2] === null ? undefined : shortText(head[2], "an identity", 256);
        return this.#receive(this.#decode(body));
      case "frame-refused": {
        const error = unpackError(head[2]);
        return this.#receive(error);
      }
      case "session-fail": {
        const error = unpackError(head[2]);
        return session.fail(head[3] === true ? new SyntaxError(error.message) : error);
      }
      case "session-close":
        return session.close(closeCodes.has(head[2]) ? (head[2] as CloseCode) : CloseCode.normal, shortText(head[3], "a reason"));
      case "session-taken":
        this.#unread = Math.max(0, this.#unread - wholeNumber(head[2], "a size"));
        return;
      case "session-ended":
        session.ended(head[2] === true);
        return this.#parts.gone();
      default:
        throw new SyntaxError(`Cannot read what the isolate says: ${JSON.stringify(kind.slice(0, 40))} is unknown`);
    }
  }

  /** Tells the isolate whether the peer has to wait for the gateway, when that has changed. */
  report(): void {
    const waits = this.#session?.waits ?? false;
    if (waits === this.#waits) return;
    this.#waits = waits;
    this.#parts.link.send(["session-waits", this.#id, waits]);
  }

  ended(): void {
    this.#session?.ended();
  }

  send(bytes: Uint8Array): void {
    this.#unread += bytes.length;
    this.#parts.link.send(["session-out", this.#id, this.#greeted ? (this.#session?.principal ?? null) : null], bytes);
    this.#greeted = false;
  }

  buffered(): number {
    return this.#unread;
  }

  pause(): void {
    this.#parts.link.send(["session-pause", this.#id]);
  }

  resume(): void {
    this.#parts.link.send(["session-resume", this.#id]);
  }

  close(code: CloseCode, reason: string): void {
    this.#parts.link.send(["session-closed", this.#id, code, reason]);
  }

  #receive(next: Frame | BusbarError): void {
    this.#next = next;
    this.#session!.receive(new Uint8Array(0), 0, 0);
    this.report();
  }

  #decode(body: Uint8Array): Frame | BusbarError {
    try {
      const frame = border.decode(body, 0, body.length) as Frame;
      if (frame.kind === "subscribe" && !isPattern(frame.topic)) throw new BusbarError("BAD_FRAME", "Cannot subscribe: it is no topic filter");
      return frame;
    } catch (error) {
      if (error instanceof BusbarError) return error;
      throw error;
    }
  }
}
