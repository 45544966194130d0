import type { Credentials, Principal } from "../authority.ts";
import type { Codec } from "../codec.ts";
import type { Envelope, Message } from "../envelope.ts";
import { BusbarError, errorCode } from "../errors.ts";
import type { Frame } from "../frame.ts";
import { Identities } from "./identities.ts";
import { JournalPause } from "./journal-pause.ts";
import { Login, shownWith } from "./login.ts";
import { Pace } from "./pace.ts";
import { PeerChannel } from "./peer-channel.ts";
import { PeerSubscriptions } from "./peer-subscriptions.ts";
import type { SessionServices } from "./session-services.ts";
import type { Session, SessionOptions } from "./sessions.ts";
import { CloseCode, type Transport } from "./transport.ts";

/** Invalid frames in a row that end a session (WIRE §2). */
const maxBadFrames = 3;

/** The one implementation of Session; see there. Ten thousand of them wait most of the time: what is not always needed is made when it is. */
export class PeerSession implements Session {
  readonly id: string;
  readonly since: number;
  readonly channel: PeerChannel;
  lastSeen: number;
  /** Whether the peer has said that it leaves. */
  goodbye = false;
  readonly #services: SessionServices;
  readonly #pace: Pace;
  readonly #identities: Identities;
  #subscriptions: PeerSubscriptions | undefined;
  #login: Login | undefined;
  #cancelAuth: (() => void) | undefined;
  #pause: JournalPause | undefined;
  #ended = false;
  #badFrames = 0;

  constructor(id: string, transport: Transport, options: SessionOptions, services: SessionServices) {
    this.id = id;
    this.channel = new PeerChannel(transport, { session: this, options, services });
    this.#services = services;
    this.since = this.lastSeen = services.clock.now();
    this.#identities = new Identities(this, services);
    this.#pace = new Pace(this, services, () => this.#resume());
    const { authTimeout = 5000 } = options.limits ?? {};
    if (options.principal) {
      const { inbox } = this.#identities.attach(options.principal);
      if (options.commands !== "on-input") queueMicrotask(() => inbox?.flush()); // when whoever opened the session holds it
    } else if (!options.trusted) {
      this.#cancelAuth = services.clock.after(authTimeout, () => this.#refuse("authTimeout", "no authentication in time"));
      if (options.credentials && !options.greets) this.#authenticate(options.credentials);
    }
  }

  get principal(): Principal | undefined {
    return this.#identities.own?.principal;
  }

  get silence(): number {
    return this.channel.options.codec.silence ?? 0;
  }

  get waits(): boolean {
    return this.#login !== undefined || this.#pause?.active === true || this.#pace.waits;
  }

  receive(bytes: Uint8Array, start: number, end: number, codec: Codec = this.channel.options.codec): void {
    if (!this.channel.open || this.goodbye || (this.#pause?.holding === true && this.#pause.hold(bytes.subarray(start, end), codec))) return;
    this.#pace.take(end - start);
    let frame: Frame | readonly Frame[];
    try {
      frame = codec.decode(bytes, start, end);
    } catch (error) {
      if (error instanceof SyntaxError) this.fail(error);
      else this.#badFrame(error, undefined);
      return;
    }
    if (this.#login === undefined) this.#frames(frame, codec);
    else if (!this.#login.hold(() => this.#frames(frame, codec))) this.close(CloseCode.rateLimit, "too many frames before authentication");
  }

  fail(error: unknown): void {
    if (!this.channel.open) return;
    const tooLarge = errorCode(error) === "TOO_LARGE";
    this.#services.refused(tooLarge ? "TOO_LARGE" : "protocol error", this);
    this.#services.log.warn("connection ended: what it sent does not decode", { ...this.who(), error });
    this.close(tooLarge ? CloseCode.tooLarge : CloseCode.protocolError, tooLarge ? "frame too large" : "protocol error");
  }

  close(code: CloseCode, reason: string): void {
    if (!this.channel.open) return;
    this.channel.open = false;
    this.#end();
    this.channel.end(code, reason);
  }

  ended(goodbye = false): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#hear(); // what it said before it left
    if (this.channel.open) {
      this.goodbye ||= goodbye;
      this.channel.open = false;
      this.#end();
    }
    this.channel.options.onClose?.();
  }

  /** About once a second, and when rights may have changed, or another authority has taken over: ends what no longer stands, repeats what is unacknowledged. */
  check(rightsChanged: boolean, newAuthority = false): void {
    if (!this.#identities.check(rightsChanged, newAuthority)) return this.#refuse("authFailed", "authentication has expired or was revoked");
    const { own } = this.#identities;
    if (rightsChanged && own) this.#subscriptions?.recheck(own.bus);
    const now = this.#services.clock.now();
    if (this.#pause?.hears(now) === false) return;
    this.#subscriptions?.repeat(now);
    this.#identities.repeat(now);
  }

  /** A command for one of the devices that speak through this session, as it passes on the bus. */
  command(id: string, message: Envelope, offset: number | undefined): void {
    this.#identities.get(id)?.inbox?.pass(message, offset);
  }

  /** Whom the log and the audit trail are to name. */
  who(): Readonly<Record<string, unknown>> {
    const { kind, remote } = this.channel.transport;
    return { transport: kind, remote, ...(this.principal && { id: this.principal.id }) };
  }

  #authenticate(credentials: Credentials, { answer, will }: { readonly answer?: () => void; readonly will?: Message | undefined } = {}): void {
    const services = this.#services;
    const welcome = (): void => {
      if (!this.channel.open) return;
      answer?.();
      this.#identities.own?.inbox?.flush();
      this.#release();
    };
    this.channel.transport.pause();
    this.#login = new Login(credentials, { session: this, services, will, refused: () => this.#refuse("authFailed", "authentication failed"), accepted: (principal, draft) => {
      this.#cancelAuth?.();
      this.#cancelAuth = undefined;
      if (this.#identities.own === undefined) this.#identities.attach(principal, draft && {});
      else {
        this.#identities.renew(principal);
        this.check(true); // it may grant less than the one before
      }
      const { own } = this.#identities;
      if (draft === undefined || own === undefined) return welcome();
      own.takeWill()?.discard();
      own.will = services.wills.keep(principal.id, draft, welcome);
    } });
  }

  #refuse(code: "authTimeout" | "authFailed", reason: string): void {
    if (!this.channel.open) return;
    this.#services.refused(code, this);
    this.close(CloseCode[code], reason);
  }

  /** Goes on with what the peer has said since it began to log in. */
  #release(): void {
    const held = this.#login!.take();
    this.#login = undefined;
    for (let at = 0; at < held.length; at++) {
      if (!this.channel.open) return;
      if (this.#login !== undefined) { // one of them was another auth frame
        for (const say of held.slice(at)) (this.#login as Login).hold(say);
        return;
      }
      held[at]!();
    }
    this.#resume();
  }

  // What it says.

  #frames(frame: Frame | readonly Frame[], codec: Codec): void {
    if (!("kind" in frame)) {
      for (const one of frame) this.#frames(one, codec);
      return;
    }
    try {
      if (frame.kind === "message") this.#message(frame, codec);
      else this.#control(frame);
      this.#badFrames = 0;
    } catch (error) {
      if (errorCode(error) === "BAD_FRAME") this.#badFrame(error, frame);
      else this.channel.sayError(error, { msgid: frame.kind === "message" ? frame.msgid : undefined, ref: "ref" in frame ? frame.ref : undefined });
    }
  }

  #message(message: Message, codec: Codec): void {
    const { options } = this.channel;
    const identity = this.#identities.speaker(message, codec);
    if (identity === undefined) return this.#refuse("authTimeout", "the first frame must be auth");
    if (!this.#pace.admits()) return;
    const nonce = identity.admit(message);
    this.lastSeen = message.received;
    if (options.commands === "on-input") identity.inbox?.flush();
    const { office } = this.#services;
    if (message.qos === 0 && nonce === undefined) {
      if (!office.publish(message)) this.#journalPause().begin();
      return;
    }
    if (message.qos > 0 && this.#pause?.admits(message) === false) throw new BusbarError("OVERLOAD", "Cannot store the message: one before it was refused and has not come again");
    identity.deliver(message, { nonce, done: (error, _offset, duplicate) => {
      if (error === undefined) {
        if (message.qos > 0) this.channel.say({ kind: "ack", msgid: message.msgid, status: "ok" });
        if (duplicate && message.type === "command") this.#services.answers.repeat(message, this.channel);
        return;
      }
      if (message.qos > 0 && options.trusted === undefined && error instanceof BusbarError && error.retryable) this.#journalPause().refused(message);
      this.channel.sayError(error, message);
      if (office.full) this.#journalPause().begin();
    } });
    if (office.full) this.#journalPause().begin();
  }

  #control(frame: Exclude<Frame, Message>): void {
    const { channel } = this;
    const { clock } = this.#services;
    this.lastSeen = clock.now();
    if (frame.kind === "auth") {
      const answer = (): void => {
        if (frame.client !== undefined) this.#services.named(this, frame.client);
        channel.say({ kind: "auth_response", status: "success", timestamp: clock.now(), id: this.principal?.id });
      };
      return this.#authenticate(shownWith(frame, channel.options), { answer, will: frame.will });
    }
    if (frame.kind === "disconnect") return this.#leave();
    if (frame.kind === "reply") return channel.sayBytes(frame.bytes);
    if (this.#identities.own === undefined && !(channel.options.trusted && frame.kind === "ack")) return this.#refuse("authTimeout", "the first frame must be auth");
    if (frame.kind !== "ack" && !this.#pace.admits()) return; // acks are bounded by what was sent
    switch (frame.kind) {
      case "batch":
        for (const message of frame.messages) this.#frames(message, channel.options.codec);
        return;
      case "subscribe":
        this.#subscriptions ??= new PeerSubscriptions(this.channel);
        this.#subscriptions.add(frame, this.#identities.own!.bus);
        return this.#identities.own?.inbox?.flush();
      case "unsubscribe":
        this.#subscriptions?.remove(frame);
        return channel.say({ kind: "unsubscribed", topic: frame.topic, ref: frame.ref });
      case "ack":
        this.#subscriptions?.acknowledge(frame.msgid, frame.offset);
        return this.#identities.acknowledge(frame);
      case "ping":
        return channel.say({ kind: "pong" });
      case "pong":
        return;
      default:
        throw new BusbarError("BAD_FRAME", `Cannot use a frame "${frame.kind}": it goes from server to client only`);
    }
  }

  #leave(): void {
    this.goodbye = true;
    const close = (): void => this.close(CloseCode.normal, "goodbye"); // which tells the peer that its will is void, whatever happens now
    const will = this.#identities.own?.takeWill();
    if (will === undefined) close();
    else will.discard(close);
  }

  #badFrame(error: unknown, frame: Frame | undefined): void {
    this.#badFrames++;
    this.channel.sayError(error, { msgid: frame?.kind === "message" ? frame.msgid : undefined });
    if (this.#badFrames >= maxBadFrames) this.close(CloseCode.protocolError, `${maxBadFrames} invalid frames in a row`);
  }

  /** Made when the journal is behind or refuses messages for the first time. */
  #journalPause(): JournalPause {
    return (this.#pause ??= new JournalPause(this.channel, () => this.#resume()));
  }

  /** Goes on with what the peer has said since it had to wait. */
  #hear(): void {
    if (this.#pause) for (const { bytes, codec } of this.#pause.take()) this.receive(bytes, 0, bytes.length, codec);
  }

  #resume(): void {
    if (!this.waits) this.#hear();
    if (!this.waits && this.channel.open) this.channel.transport.resume();
  }

  #end(): void {
    this.#cancelAuth?.();
    this.#login?.end();
    this.#pace.end();
    this.#pause?.end();
    this.#subscriptions?.close();
    for (const identity of this.#identities.all) this.#identities.detach(identity);
    this.#services.closed(this);
  }
}
