import type { Credentials, Principal } from "../authority.ts";
import type { Codec } from "../codec.ts";
import { PrincipalBus } from "../delivery/create-bus.ts";
import type { Message } from "../envelope.ts";
import { BusbarError, errorCode, errorText, type ErrorCode } from "../errors.ts";
import type { AckFrame, Frame, SubscribeFrame } from "../frame.ts";
import { checkPattern, isId, isReservedId } from "../topic.ts";
import { Inbox } from "./inbox.ts";
import { PeerSubscription, type SubscriptionHost } from "./peer-subscription.ts";
import type { SessionServices } from "./session-services.ts";
import type { Session, SessionOptions } from "./sessions.ts";
import { CloseCode, type Transport } from "./transport.ts";

/** Frames held while the authority thinks. The transport is paused then, so no more come than one read of 64 KiB brings; the shortest, on TCP, have 3 bytes. */
const maxHeld = 25_000;
/** What a peer may be told (WIRE §2); anything else is for us to mend and for it to try again later. */
const wireCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["BAD_FRAME", "FORBIDDEN", "OVERLOAD", "UNKNOWN_OFFSET", "TOO_LARGE", "DUPLICATE_REF"]);
/** Invalid frames in a row that end a session (WIRE §2). */
const maxBadFrames = 3;

/** One identity that speaks through a session: a normal session has one, a trusted connection of a gateway has many. */
interface Identity {
  readonly bus: PrincipalBus;
  readonly inbox: Inbox | undefined;
}

/** The one implementation of Session; see there. The order of the methods is that of a session's life. */
export class PeerSession implements Session, SubscriptionHost {
  readonly id: string;
  readonly since: number;
  readonly transport: Transport;
  readonly options: SessionOptions;
  readonly inFlight: number;
  readonly redeliver: number;
  lastSeen: number;
  readonly #services: SessionServices;
  readonly #identities = new Map<string, Identity>();
  readonly #subscriptions = new Map<string, PeerSubscription>();
  readonly #buffer: number;
  readonly #disconnectSlow: boolean;
  /** The device has to speak before it is told what waits. */
  readonly #onInput: boolean;
  readonly #abort = new AbortController();
  #principal: Principal | undefined;
  #bus: PrincipalBus | undefined;
  #cancelAuth: (() => void) | undefined;
  #held: (() => void)[] | undefined;
  #state: "open" | "closing" | "ended" = "open";
  #badFrames = 0;
  #paused = false;
  #lastDispatch = 0;
  #windowStart = 0;
  #windowCount = 0;

  constructor(id: string, transport: Transport, options: SessionOptions, services: SessionServices) {
    this.id = id;
    this.transport = transport;
    this.options = options;
    this.#services = services;
    this.since = this.lastSeen = services.clock.now();
    const limits = options.limits ?? {};
    this.inFlight = limits.inFlight ?? 100;
    this.redeliver = limits.redeliver ?? 10_000;
    this.#buffer = limits.buffer ?? 4 * 1024 * 1024;
    this.#onInput = options.commands === "on-input";
    this.#disconnectSlow = (limits.slowConsumer ?? "disconnect") === "disconnect";
    if (options.principal) {
      const { inbox } = this.#attach(options.principal);
      if (!this.#onInput) queueMicrotask(() => inbox?.flush()); // when whoever opened the session holds it
    } else if (!options.trusted) {
      this.#cancelAuth = services.clock.after(limits.authTimeout ?? 5000, () => this.#refuse("authTimeout", "no authentication in time"));
      if (options.credentials) this.#authenticate(options.credentials, undefined);
    }
  }

  get office() {
    return this.#services.office;
  }

  get clock() {
    return this.#services.clock;
  }

  get principal(): Principal | undefined {
    return this.#principal;
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
    if (this.#held !== undefined) return this.#hold(frame);
    this.#frames(frame, codec);
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
    const now = this.clock.now();
    const authority = this.#services.authority();
    for (const [id, { bus }] of this.#identities) {
      if (authority.stands(bus.principal)) {
        if (rightsChanged) bus.recheck();
      } else if (this.options.trusted) this.#detach(id);
      else return this.#refuse("authFailed", "authentication has expired or was revoked");
    }
    for (const [key, subscription] of this.#subscriptions) {
      subscription.repeat(now);
      if (!rightsChanged) continue;
      try {
        this.#bus?.checkSubscribe(subscription.frame.topic);
      } catch (error) {
        subscription.close();
        this.#subscriptions.delete(key);
        this.#sayError(error, undefined, subscription.frame.ref);
      }
    }
  }

  // Sending: what inboxes and subscriptions call.

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

  failed(subscription: PeerSubscription, error: unknown): void {
    subscription.close();
    this.#subscriptions.delete(keyOf(subscription.frame));
    this.#sayError(error, undefined, subscription.frame.ref);
  }

  // Authentication.

  #authenticate(credentials: Credentials, answer: (() => void) | undefined): void {
    this.#held ??= [];
    this.#pause();
    const { remote } = this.transport;
    this.#services.authority().authenticate(credentials, { remote, signal: this.#abort.signal }).then(
      (principal) => {
        if (this.#state !== "open") return;
        const renewal = this.#principal !== undefined;
        if (renewal && principal.id !== this.#principal!.id) return this.#refuse("authFailed", "authentication failed");
        if (renewal) this.#renew(principal);
        else this.#attach(principal);
        answer?.();
        this.#identities.get(principal.id)?.inbox?.flush();
        this.#release();
      },
      (error: unknown) => {
        this.#services.log.warn("authentication failed", { ...this.#who(), error });
        this.#services.audit.write("login-failed", { ...this.#who(), ...(credentials.kind === "token" && credentials.id !== undefined ? { claimed: credentials.id.slice(0, 256) } : {}) });
        this.#refuse("authFailed", "authentication failed");
      },
    );
  }

  #refuse(code: "authTimeout" | "authFailed", reason: string): void {
    if (this.#state !== "open") return;
    this.#services.refused(code);
    this.close(CloseCode[code], reason);
  }

  /** The same peer with another token: it does not leave in between, and what was sent to it is not sent again. */
  #renew(principal: Principal): void {
    const { groups, user = false } = this.#principal!;
    const same = user === (principal.user ?? false) && groups.join() === principal.groups.join();
    const inbox = same ? this.#identities.get(principal.id)?.inbox : undefined;
    if (!same) this.#detach(principal.id);
    this.#attach(principal, inbox);
    this.check(true); // it may grant less than the one before
  }

  #attach(principal: Principal, known?: Inbox): Identity {
    this.#cancelAuth?.();
    this.#cancelAuth = undefined;
    const bus = new PrincipalBus(this.#services, principal);
    const commands = this.options.commands ?? "push";
    const inbox = known ?? (principal.user || commands === "none" ? undefined : new Inbox(principal, this, this.#services, { push: commands === "push", answers: this.options.answers !== false }));
    const identity: Identity = { bus, inbox };
    this.#identities.set(principal.id, identity);
    if (!this.options.trusted) {
      this.#principal = principal;
      this.#bus = bus;
    }
    this.#services.attached(this, principal);
    return identity;
  }

  #detach(id: string): void {
    const identity = this.#identities.get(id);
    if (!identity) return;
    this.#identities.delete(id);
    identity.inbox?.close();
    this.#services.detached(this, identity.bus.principal);
  }

  #hold(frame: Frame | readonly Frame[]): void {
    if (this.#held!.length >= maxHeld) return this.close(CloseCode.rateLimit, "too many frames before authentication");
    this.#held!.push(() => this.#frames(frame, this.options.codec));
  }

  #release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (let at = 0; at < held.length; at++) {
      if (this.#state !== "open") return;
      if (this.#held !== undefined) { // one of them was another auth frame
        (this.#held as (() => void)[]).push(...held.slice(at));
        return;
      }
      held[at]!();
    }
    this.#resume();
  }

  // Frames.

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
    const bus = this.#bus ?? this.#trustedBus(message, codec);
    if (bus === undefined) return this.#refuse("authTimeout", "the first frame must be auth");
    if (!this.#withinRate()) return;
    bus.admit(message);
    this.lastSeen = message.received;
    if (this.#onInput && this.#bus !== undefined) this.#identities.get(bus.principal.id)?.inbox?.flush();
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
    if (this.#bus === undefined && !(this.options.trusted && frame.kind === "ack")) return this.#refuse("authTimeout", "the first frame must be auth");
    if (!this.#withinRate()) return;
    switch (frame.kind) {
      case "batch":
        for (const message of frame.messages) this.#frames(message, this.options.codec);
        return;
      case "subscribe":
        return this.#subscribe(frame);
      case "unsubscribe":
        return this.#unsubscribe(frame.topic, frame.ref);
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

  #trustedBus(message: Message, codec: Codec): PrincipalBus | undefined {
    const { trusted, limits } = this.options;
    if (trusted === undefined) return undefined;
    const id = codec.identity?.(message) ?? message.from;
    let identity = this.#identities.get(id);
    if (identity === undefined) {
      if (!isId(id) || isReservedId(id)) throw new BusbarError("BAD_FRAME", `Cannot speak as ${JSON.stringify(id.slice(0, 80))}: it is no id, or a reserved one`);
      if (this.#identities.size >= (limits?.identities ?? 1000)) throw new BusbarError("OVERLOAD", `Cannot speak for another device: ${this.#identities.size} speak through this connection already`);
      identity = this.#attach({ id, roles: trusted.roles, groups: trusted.groups ?? [] });
    }
    identity.inbox?.flush();
    return identity.bus;
  }

  #subscribe(frame: SubscribeFrame): void {
    checkPattern(frame.topic);
    this.#bus!.checkSubscribe(frame.topic);
    const key = keyOf(frame);
    const known = this.#subscriptions.get(key);
    if (known && frame.ref !== undefined) throw new BusbarError("DUPLICATE_REF", `Cannot subscribe: the ref ${JSON.stringify(frame.ref.slice(0, 80))} is in use`);
    const limit = this.options.limits?.subscriptions ?? 100;
    if (!known && this.#subscriptions.size >= limit) throw new BusbarError("OVERLOAD", `Cannot subscribe: the session has ${limit} subscriptions, the most it may have`);
    const { office } = this.#services;
    if (frame.since !== undefined) {
      const { first, last } = office.journal?.bounds() ?? { first: 1, last: 0 };
      if (frame.since > last || frame.since < first - 1) throw new BusbarError("UNKNOWN_OFFSET", `Cannot resume after offset ${frame.since}: the journal holds ${first} to ${last}`);
    }
    known?.close();
    this.#say({ kind: "subscribed", topic: frame.topic, ref: frame.ref, offset: frame.since ?? office.last });
    const subscription = new PeerSubscription(frame, this);
    if (this.#state === "open") this.#subscriptions.set(key, subscription);
    else subscription.close(); // its retained values were too many for the peer
  }

  #unsubscribe(topic: string, ref: string | undefined): void {
    const key = ref ?? topic;
    this.#subscriptions.get(key)?.close();
    this.#subscriptions.delete(key);
    this.#say({ kind: "unsubscribed", topic, ref });
  }

  #acknowledge(frame: AckFrame): void {
    for (const subscription of this.#subscriptions.values()) subscription.acknowledge(frame.msgid);
    if (frame.status === undefined && frame.payload === undefined) return;
    for (const { bus } of this.#identities.values()) {
      const { principal } = bus;
      const command = this.#services.commands.unanswered(frame.msgid, principal.id, principal.groups);
      if (command) return this.#services.answer(command, principal, { msgid: frame.msgid, status: frame.status ?? "ok", ...(frame.payload === undefined ? {} : { result: frame.payload }) });
    }
  }

  // Answers and limits.

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

  #slow(disconnect = this.#disconnectSlow): boolean {
    this.#services.dropped("slow-consumer");
    if (disconnect) {
      this.#services.log.warn("connection ended: it does not read fast enough", { ...this.#who(), buffered: this.transport.buffered() });
      this.close(CloseCode.slowConsumer, "slow consumer");
    }
    return false;
  }

  #withinRate(): boolean {
    const rate = this.options.limits?.rate ?? 0;
    if (rate === 0) return true;
    const now = this.clock.now();
    if (now - this.#windowStart >= 1000) {
      this.#windowStart = now;
      this.#windowCount = 0;
    }
    if (++this.#windowCount <= rate) return true;
    this.#services.refused("rate limit");
    this.close(CloseCode.rateLimit, `more than ${rate} messages a second`);
    return false;
  }

  #wait(): void {
    if (this.#paused) return;
    this.#pause();
    this.#services.office.ready(this.#abort.signal).then(() => this.#resume(), () => {});
  }

  #pause(): void {
    this.#paused = true;
    this.transport.pause();
  }

  #resume(): void {
    if (!this.#paused || this.#held !== undefined || this.#state !== "open") return;
    this.#paused = false;
    this.transport.resume();
  }

  #end(): void {
    this.#cancelAuth?.();
    this.#abort.abort();
    for (const subscription of this.#subscriptions.values()) subscription.close();
    this.#subscriptions.clear();
    for (const id of [...this.#identities.keys()]) this.#detach(id);
    this.#services.closed(this);
  }

  #who(): Readonly<Record<string, unknown>> {
    return { transport: this.transport.kind, remote: this.transport.remote, ...(this.#principal && { id: this.#principal.id }) };
  }
}

/** A peer's own name for a subscription, or else its topic: subscribing to the same topic again replaces (MQTT 3.1.1 §3.8.4). */
function keyOf(frame: SubscribeFrame): string {
  return frame.ref ?? frame.topic;
}
