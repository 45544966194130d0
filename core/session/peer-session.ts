import type { Credentials, Principal } from "../authority.ts";
import type { Codec } from "../codec.ts";
import { PrincipalBus } from "../delivery/create-bus.ts";
import type { Envelope, Message } from "../envelope.ts";
import { BusbarError, errorCode, errorText, type ErrorCode } from "../errors.ts";
import type { AckFrame, Frame, SubscribeFrame } from "../frame.ts";
import { isId, isReservedId } from "../topic.ts";
import { Inbox } from "./inbox.ts";
import { Login } from "./login.ts";
import type { PeerSubscription, SubscriptionHost } from "./peer-subscription.ts";
import { PeerSubscriptions } from "./peer-subscriptions.ts";
import { RateWindow } from "./rate-window.ts";
import type { SessionServices } from "./session-services.ts";
import type { Session, SessionOptions } from "./sessions.ts";
import { CloseCode, type Transport } from "./transport.ts";

/** What a peer may be told (WIRE §2); anything else is for us to mend and for it to try again later. */
const wireCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["BAD_FRAME", "FORBIDDEN", "OVERLOAD", "UNKNOWN_OFFSET", "TOO_LARGE", "DUPLICATE_REF"]);
/** Invalid frames in a row that end a session (WIRE §2). */
const maxBadFrames = 3;

/** One identity that speaks through a session: a normal session has one, a trusted connection of a gateway has many. */
interface Identity {
  readonly bus: PrincipalBus;
  readonly inbox: Inbox | undefined;
}

/** The one implementation of Session; see there. Ten thousand of them wait most of the time: what is not always needed is made when it is. */
export class PeerSession implements Session, SubscriptionHost {
  readonly id: string;
  readonly since: number;
  readonly transport: Transport;
  readonly options: SessionOptions;
  lastSeen: number;
  readonly #services: SessionServices;
  readonly #buffer: number;
  readonly #rate: RateWindow | undefined;
  /** Who has logged in. */
  #own: Identity | undefined;
  /** Who speaks through a trusted connection. */
  #vouched: Map<string, Identity> | undefined;
  #subscriptions: PeerSubscriptions | undefined;
  #login: Login | undefined;
  #cancelAuth: (() => void) | undefined;
  /** Ends the wait for the journal. */
  #waiting: AbortController | undefined;
  #state: "open" | "closing" | "ended" = "open";
  #badFrames = 0;
  #lastDispatch = 0;

  constructor(id: string, transport: Transport, options: SessionOptions, services: SessionServices) {
    this.id = id;
    this.transport = transport;
    this.options = options;
    this.#services = services;
    this.since = this.lastSeen = services.clock.now();
    const { buffer = 4 * 1024 * 1024, rate = 0, authTimeout = 5000 } = options.limits ?? {};
    this.#buffer = buffer;
    this.#rate = rate > 0 ? new RateWindow(rate, services.clock) : undefined;
    if (options.principal) {
      const { inbox } = this.#attach(options.principal);
      if (options.commands !== "on-input") queueMicrotask(() => inbox?.flush()); // when whoever opened the session holds it
    } else if (!options.trusted) {
      this.#cancelAuth = services.clock.after(authTimeout, () => this.#refuse("authTimeout", "no authentication in time"));
      if (options.credentials) this.#authenticate(options.credentials, undefined);
    }
  }

  get principal(): Principal | undefined {
    return this.#own?.bus.principal;
  }

  receive(bytes: Uint8Array, start: number, end: number, codec: Codec = this.options.codec): void {
    if (this.#state !== "open") return;
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
    if (this.#state !== "open") return;
    const tooLarge = errorCode(error) === "TOO_LARGE";
    this.#services.refused(tooLarge ? "TOO_LARGE" : "protocol error");
    this.#services.log.warn("connection ended: what it sent does not decode", { ...this.#who(), error });
    this.close(tooLarge ? CloseCode.tooLarge : CloseCode.protocolError, tooLarge ? "frame too large" : "protocol error");
  }

  close(code: CloseCode, reason: string): void {
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.#end();
    this.transport.close(code, reason);
  }

  ended(): void {
    if (this.#state === "ended") return;
    const open = this.#state === "open";
    this.#state = "ended";
    if (open) this.#end();
    this.options.onClose?.();
  }

  /** About once a second, and when rights may have changed: ends what no longer stands, repeats what is unacknowledged. */
  check(rightsChanged: boolean): void {
    const authority = this.#services.authority();
    for (const { bus } of this.#identities()) {
      if (authority.stands(bus.principal)) {
        if (rightsChanged) bus.recheck();
      } else if (this.options.trusted) this.#detach(bus.principal.id);
      else return this.#refuse("authFailed", "authentication has expired or was revoked");
    }
    this.#subscriptions?.repeat(this.clock.now());
    if (rightsChanged && this.#own) this.#subscriptions?.recheck(this.#own.bus, (error, ref) => this.#sayError(error, undefined, ref));
  }

  /** A command for one of the devices that speak through this session, as it passes on the bus. */
  command(id: string, message: Envelope, offset: number | undefined): void {
    const identity = this.#own ?? this.#vouched?.get(id);
    identity?.inbox?.pass(message, offset);
  }

  // What inboxes and subscriptions use: see SubscriptionHost.

  get office() {
    return this.#services.office;
  }

  get clock() {
    return this.#services.clock;
  }

  get open(): boolean {
    return this.#state === "open";
  }

  get inFlight(): number {
    return this.options.limits?.inFlight ?? 100;
  }

  get redeliver(): number {
    return this.options.limits?.redeliver ?? 10_000;
  }

  send(message: Message, offset: number | undefined, binary: boolean): boolean {
    if (this.#state !== "open") return false;
    if (this.transport.buffered() > this.#buffer) return this.#slow();
    const codec = binary && this.options.binaryCodec ? this.options.binaryCodec : this.options.codec;
    const bytes = codec.encodeMessage(message, offset);
    if (bytes === undefined) return false;
    this.transport.send(bytes, binary || this.options.binary === true);
    return true;
  }

  sendLive(message: Message, offset: number | undefined, binary: boolean): boolean {
    const { dispatches } = this.#services.office;
    if (dispatches === this.#lastDispatch) return true; // another of this peer's patterns matched it too (MQTT 3.1.1 §3.3.5)
    this.#lastDispatch = dispatches;
    return this.send(message, offset, binary);
  }

  hasRoom(): boolean {
    return this.transport.buffered() < this.#buffer / 4;
  }

  failed({ frame }: PeerSubscription, error: unknown): void {
    this.#subscriptions?.remove(frame);
    this.#sayError(error, undefined, frame.ref);
  }

  // Who it is.

  #authenticate(credentials: Credentials, answer: (() => void) | undefined): void {
    const accepted = (principal: Principal): void => {
      if (this.#own === undefined) this.#attach(principal);
      else if (principal.id === this.#own.bus.principal.id) this.#renew(principal);
      else return this.#refuse("authFailed", "authentication failed");
      answer?.();
      this.#own?.inbox?.flush();
      this.#release();
    };
    const refused = (error: unknown): void => {
      this.#services.log.warn("authentication failed", { ...this.#who(), error });
      this.#services.audit.write("login-failed", { ...this.#who(), ...(credentials.kind === "token" && credentials.id !== undefined ? { claimed: credentials.id.slice(0, 256) } : {}) });
      this.#refuse("authFailed", "authentication failed");
    };
    this.transport.pause();
    this.#login = new Login(credentials, { remote: this.transport.remote, accepted, refused }, this.#services);
  }

  #refuse(code: "authTimeout" | "authFailed", reason: string): void {
    if (this.#state !== "open") return;
    this.#services.refused(code);
    this.close(CloseCode[code], reason);
  }

  /** The same peer with another token: it does not leave in between, and what was sent to it is not sent again. */
  #renew(principal: Principal): void {
    const { groups, user = false } = this.#own!.bus.principal;
    const same = user === (principal.user ?? false) && groups.join() === principal.groups.join();
    const inbox = same ? this.#own!.inbox : undefined;
    if (!same) this.#detach(principal.id);
    this.#attach(principal, inbox);
    this.check(true); // it may grant less than the one before
  }

  #attach(principal: Principal, known?: Inbox): Identity {
    this.#cancelAuth?.();
    this.#cancelAuth = undefined;
    const { commands = "push", answers = true, trusted } = this.options;
    const inbox = known ?? (principal.user || commands === "none" ? undefined : new Inbox(principal, { session: this, services: this.#services, push: commands === "push", answers }));
    const identity: Identity = { bus: new PrincipalBus(this.#services, principal), inbox };
    if (trusted) (this.#vouched ??= new Map()).set(principal.id, identity);
    else this.#own = identity;
    this.#services.attached(this, principal);
    return identity;
  }

  #detach(id: string): void {
    const identity = this.#own ?? this.#vouched?.get(id);
    if (!identity) return;
    if (this.#own) this.#own = undefined;
    else this.#vouched?.delete(id);
    this.#services.detached(this, identity.bus.principal);
  }

  #identities(): readonly Identity[] {
    return this.#own ? [this.#own] : this.#vouched ? [...this.#vouched.values()] : [];
  }

  /** Goes on with what the peer has said since it began to log in. */
  #release(): void {
    const held = this.#login!.take();
    this.#login = undefined;
    for (let at = 0; at < held.length; at++) {
      if (this.#state !== "open") return;
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
      else this.#sayError(error, frame.kind === "message" ? frame.msgid : undefined, "ref" in frame ? frame.ref : undefined);
    }
  }

  #message(message: Message, codec: Codec): void {
    const identity = this.#own ?? this.#vouch(message, codec);
    if (identity === undefined) return this.#refuse("authTimeout", "the first frame must be auth");
    if (!this.#withinRate()) return;
    identity.bus.admit(message);
    this.lastSeen = message.received;
    if (this.options.commands === "on-input") identity.inbox?.flush();
    const { office } = this.#services;
    if (message.qos === 0) {
      if (!office.publish(message)) this.#wait();
      return;
    }
    office.deliver(message, (error) => {
      if (error === undefined) this.#say({ kind: "ack", msgid: message.msgid, status: "ok" });
      else this.#sayError(error, message.msgid, undefined);
    });
    if (office.full) this.#wait();
  }

  #control(frame: Exclude<Frame, Message>): void {
    this.lastSeen = this.clock.now();
    if (frame.kind === "auth") {
      return this.#authenticate({ kind: "token", token: frame.token, id: frame.deviceId || undefined }, () => this.#say({ kind: "auth_response", status: "success", timestamp: this.clock.now() }));
    }
    if (this.#own === undefined && !(this.options.trusted && frame.kind === "ack")) return this.#refuse("authTimeout", "the first frame must be auth");
    if (frame.kind !== "ack" && !this.#withinRate()) return; // acks are bounded by what was sent
    switch (frame.kind) {
      case "batch":
        for (const message of frame.messages) this.#frames(message, this.options.codec);
        return;
      case "subscribe":
        return this.#subscribe(frame);
      case "unsubscribe":
        this.#subscriptions?.remove(frame);
        return this.#say({ kind: "unsubscribed", topic: frame.topic, ref: frame.ref });
      case "ack":
        return this.#acknowledge(frame);
      case "ping":
        return this.#say({ kind: "pong" });
      case "pong":
        return;
      default:
        throw new BusbarError("BAD_FRAME", `Cannot use a frame "${frame.kind}": it goes from server to client only`);
    }
  }

  /** The device that speaks in this message, on a connection whose listener vouches for whoever does. */
  #vouch(message: Message, codec: Codec): Identity | undefined {
    const { trusted, limits } = this.options;
    if (trusted === undefined) return undefined;
    const id = codec.identity?.(message) ?? message.from;
    const known = this.#vouched?.get(id);
    if (known) return known;
    if (!isId(id) || isReservedId(id)) throw new BusbarError("BAD_FRAME", `Cannot speak as ${JSON.stringify(id.slice(0, 80))}: it is no id, or a reserved one`);
    const count = this.#vouched?.size ?? 0;
    if (count >= (limits?.identities ?? 1000)) throw new BusbarError("OVERLOAD", `Cannot speak for another device: ${count} speak through this connection already`);
    const identity = this.#attach({ id, roles: trusted.roles, groups: trusted.groups ?? [] });
    identity.inbox?.flush();
    return identity;
  }

  #subscribe(frame: SubscribeFrame): void {
    this.#subscriptions ??= new PeerSubscriptions(this, this.options.limits?.subscriptions ?? 100);
    const begin = this.#subscriptions.admit(frame, this.#own!.bus);
    this.#say({ kind: "subscribed", topic: frame.topic, ref: frame.ref, offset: frame.since ?? this.office.last });
    begin();
  }

  #acknowledge(frame: AckFrame): void {
    this.#subscriptions?.acknowledge(frame.msgid);
    if (frame.status === undefined && frame.payload === undefined) return;
    for (const { bus } of this.#identities()) {
      const { principal } = bus;
      const command = this.#services.commands.unanswered(frame.msgid, principal.id, principal.groups);
      if (command) return this.#services.answer(command, principal, { msgid: frame.msgid, status: frame.status ?? "ok", ...(frame.payload === undefined ? {} : { result: frame.payload }) });
    }
  }

  // What it is told, and its limits.

  #say(frame: Exclude<Frame, Message>): void {
    if (this.#state !== "open") return;
    const bytes = this.options.codec.encode(frame);
    if (bytes) this.transport.send(bytes, this.options.binary === true);
    if (this.transport.buffered() > this.#buffer) this.#slow(true); // answers are never dropped, so who asks on and on without reading them is ended
  }

  #sayError(error: unknown, msgid: string | undefined, ref: string | undefined): void {
    const code = errorCode(error);
    this.#services.refused(code);
    const known = error instanceof BusbarError;
    if (code === "FORBIDDEN") {
      this.#services.log.warn("refused", { ...this.#who(), error });
      this.#services.audit.write("refused", { ...this.#who(), reason: errorText(error) });
    }
    if (!known) this.#services.log.error("session failed on a frame", { ...this.#who(), error });
    this.#say({ kind: "error", code: wireCodes.has(code) ? code : "OVERLOAD", message: known && code !== "IO" ? error.message : "internal error", msgid: msgid || undefined, ref });
  }

  #badFrame(error: unknown, frame: Frame | undefined): void {
    this.#badFrames++;
    this.#sayError(error, frame?.kind === "message" ? frame.msgid : undefined, undefined);
    if (this.#badFrames >= maxBadFrames) this.close(CloseCode.protocolError, `${maxBadFrames} invalid frames in a row`);
  }

  #slow(disconnect = this.options.limits?.slowConsumer !== "drop-newest"): boolean {
    this.#services.dropped("slow-consumer");
    if (disconnect) {
      this.#services.log.warn("connection ended: it does not read fast enough", { ...this.#who(), buffered: this.transport.buffered() });
      this.close(CloseCode.slowConsumer, "slow consumer");
    }
    return false;
  }

  #withinRate(): boolean {
    if (this.#rate === undefined || this.#rate.admit()) return true;
    this.#services.refused("rate limit");
    this.close(CloseCode.rateLimit, `more than ${this.options.limits?.rate} messages a second`);
    return false;
  }

  /** Stops reading until the journal has caught up. */
  #wait(): void {
    if (this.#waiting !== undefined) return;
    this.#waiting = new AbortController();
    this.transport.pause();
    this.#services.office.ready(this.#waiting.signal).then(
      () => {
        this.#waiting = undefined;
        this.#resume();
      },
      () => {}, // the session has ended
    );
  }

  #resume(): void {
    if (this.#login === undefined && this.#waiting === undefined && this.#state === "open") this.transport.resume();
  }

  #end(): void {
    this.#cancelAuth?.();
    this.#login?.end();
    this.#waiting?.abort();
    this.#subscriptions?.close();
    for (const { bus } of this.#identities()) this.#detach(bus.principal.id);
    this.#services.closed(this);
  }

  #who(): Readonly<Record<string, unknown>> {
    return { transport: this.transport.kind, remote: this.transport.remote, ...(this.principal && { id: this.principal.id }) };
  }
}
