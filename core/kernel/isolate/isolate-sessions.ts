import type { Codec } from "../../codec.ts";
import { envelopeProto } from "../../codec/envelope-proto.ts";
import { createMinter } from "../../envelope.ts";
import { BusbarError } from "../../errors.ts";
import type { Frame } from "../../frame.ts";
import type { Principal } from "../../authority.ts";
import type { Door } from "../../listener/door.ts";
import type { Session, SessionOptions, Sessions, SessionStatus } from "../../session/sessions.ts";
import type { CloseCode, Transport } from "../../session/transport.ts";
import type { BorderMessage } from "./batch.ts";
import { packError } from "./border-error.ts";
import { unpackSaid } from "./border-frame.ts";
import type { Link } from "./link.ts";
import type { Window } from "./window.ts";

const border = envelopeProto.create();
const mint = createMinter();
const never = new AbortController().signal;

/**
 * Sessions of a plugin in an isolate: its codec, which reads what strangers send, stays in here, and what it makes of that crosses the border as the frames of WIRE §2, which the
 * gateway checks like those of any peer.
 */
export class IsolateSessions implements Sessions {
  readonly isolated = true;
  /** Of this process: it has file descriptors of its own. */
  readonly door: Door;
  readonly #link: Link;
  readonly #window: Window;
  readonly #open = new Map<number, IsolateSession>();
  #next = 0;

  constructor(link: Link, { window, door }: { readonly window: Window; readonly door: Door }) {
    this.door = door;
    this.#link = link;
    this.#window = window;
  }

  get size(): number {
    return this.#open.size;
  }

  open(transport: Transport, options: SessionOptions): Session {
    const id = ++this.#next;
    const session = new IsolateSession(id, { transport, options, link: this.#link, window: this.#window, gone: () => this.#open.delete(id) });
    this.#open.set(id, session);
    const { commands, answers, limits, will, trusted, credentials } = options;
    this.#link.send(["session-open", id, { remote: transport.remote, kind: transport.kind }, { commands, answers, limits: plainLimits(limits), will, trusted, credentials }]);
    return session;
  }

  /** Of the gateway's other sessions nothing is known in here. */
  list(): readonly SessionStatus[] {
    return [];
  }

  get(): SessionStatus | undefined {
    return undefined;
  }

  /** Takes what the gateway says to a session. Returns false for what is of no concern to sessions. */
  take(message: BorderMessage): boolean {
    const [kind, id] = message.head as readonly [string, number];
    if (!kind.startsWith("session-")) return false;
    this.#open.get(id)?.take(kind, message);
    return true;
  }

  /** Tells the gateway what the peers have read; to be called now and then. */
  report(): void {
    for (const session of this.#open.values()) session.report();
  }
}

/** The numbers and words among a listener's limits; it may have handed over its whole config. */
function plainLimits(limits: SessionOptions["limits"]): SessionOptions["limits"] {
  if (limits === undefined) return undefined;
  const { authTimeout, rate, identities, inFlight, redeliver, subscriptions, buffer, slowConsumer, queue } = limits;
  return { authTimeout, rate, identities, inFlight, redeliver, subscriptions, buffer, slowConsumer, queue } as NonNullable<SessionOptions["limits"]>;
}

interface SessionParts {
  readonly transport: Transport;
  readonly options: SessionOptions;
  readonly link: Link;
  readonly window: Window;
  readonly gone: () => void;
}

class IsolateSession implements Session {
  readonly id: string;
  readonly #number: number;
  readonly #parts: SessionParts;
  readonly #heldBy = new Set<"gateway" | "window">();
  #principal: Principal | undefined;
  #waits = false;
  #given = 0;
  #reported = 0;
  #over = false;

  constructor(number: number, parts: SessionParts) {
    this.#number = number;
    this.#parts = parts;
    this.id = `isolate-${number}`;
  }

  get principal(): Principal | undefined {
    return this.#principal;
  }

  get silence(): number {
    return this.#parts.options.codec.silence ?? 0;
  }

  get waits(): boolean {
    return this.#waits || this.#heldBy.size > 0;
  }

  receive(bytes: Uint8Array, start: number, end: number, codec: Codec = this.#parts.options.codec): void {
    if (this.#over) return;
    try {
      const decoded = codec.decode(bytes, start, end);
      for (const frame of Array.isArray(decoded) ? (decoded as readonly Frame[]) : [decoded as Frame]) this.#say(frame, codec);
    } catch (error) {
      if (error instanceof BusbarError) this.#parts.link.send(["frame-refused", this.#number, packError(error)]);
      else this.fail(error);
    }
  }

  fail(error: unknown): void {
    if (!this.#over) this.#parts.link.send(["session-fail", this.#number, packError(error), error instanceof SyntaxError]);
  }

  close(code: CloseCode, reason: string): void {
    if (!this.#over) this.#parts.link.send(["session-close", this.#number, code, reason]);
  }

  ended(goodbye: boolean = false): void {
    if (this.#over) return;
    this.#over = true;
    this.#parts.link.send(["session-ended", this.#number, goodbye]);
    this.#parts.gone();
  }

  take(kind: string, { head, body }: BorderMessage): void {
    const { transport, options } = this.#parts;
    switch (kind) {
      case "session-out":
        this.#principal = (head[2] as Principal | null) ?? this.#principal;
        return this.#hear(body);
      case "session-pause":
        return this.#hold("gateway");
      case "session-resume":
        return this.#release("gateway");
      case "session-waits":
        this.#waits = head[2] === true;
        return;
      case "session-closed":
        return transport.close(head[2] as CloseCode, String(head[3]));
      case "session-over":
        options.onClose?.();
    }
  }

  #hear(body: Uint8Array): void {
    const { codec, answers } = this.#parts.options;
    const said = unpackSaid(body);
    if (said.message === undefined) return this.#write(codec.encode(said.frame), body.length);
    const bytes = codec.encodeMessage(said.message, said.offset);
    if (bytes === undefined && said.message.type === "command" && answers !== false) this.#say({ kind: "ack", msgid: said.message.msgid, status: "error", payload: "the device's protocol cannot say it" }, codec);
    this.#write(bytes, body.length);
  }

  /** Tells the gateway how much the peer has read since the last time. */
  report(): void {
    const read = this.#given - this.#parts.transport.buffered();
    if (read <= this.#reported) return;
    this.#parts.link.send(["session-taken", this.#number, read - this.#reported]);
    this.#reported = read;
  }

  #say(frame: Frame, codec: Codec): void {
    if (frame.kind === "batch") {
      for (const message of frame.messages) this.#say(message, codec);
      return;
    }
    const { window } = this.#parts;
    if (frame.kind === "message") {
      if (frame.qos > 0 && frame.msgid === "") frame.msgid = mint();
      window.send(["frame", this.#number, codec.identity?.(frame) ?? null], border.encodeMessage(frame, undefined)!);
    } else window.send(["frame", this.#number, null], border.encode(frame)!);
    if (!window.open && !this.#heldBy.has("window")) {
      this.#hold("window");
      void window.ready(never).then(() => this.#release("window"));
    }
  }

  #write(bytes: Uint8Array | undefined, size: number): void {
    this.#given += size;
    if (bytes === undefined) return;
    this.#parts.transport.send(bytes, this.#parts.options.binary ?? false);
  }

  #hold(by: "gateway" | "window"): void {
    if (this.#heldBy.size === 0) this.#parts.transport.pause();
    this.#heldBy.add(by);
  }

  #release(by: "gateway" | "window"): void {
    if (this.#heldBy.delete(by) && this.#heldBy.size === 0 && !this.#over) this.#parts.transport.resume();
  }
}
