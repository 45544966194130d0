import type { Origin } from "../authority.ts";
import type { Clock } from "../clock.ts";
import type { DeliveryTerms } from "../codec.ts";
import type { PostOffice } from "../delivery/post-office.ts";
import type { Envelope, Message } from "../envelope.ts";
import { BusbarError, errorCode, errorText, type ErrorCode } from "../errors.ts";
import type { ErrorFrame, Frame } from "../frame.ts";
import { isCommandFor } from "./inbox.ts";
import type { PeerDeliveries } from "./peer-deliveries.ts";
import type { PeerSession } from "./peer-session.ts";
import type { SessionServices } from "./session-services.ts";
import { defaultBuffer, type SessionOptions } from "./sessions.ts";
import { CloseCode, type Transport } from "./transport.ts";

/** What a peer may be told (WIRE §2); anything else is for us to mend and for it to try again later. */
const wireCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["BAD_FRAME", "FORBIDDEN", "OVERLOAD", "UNKNOWN_OFFSET", "TOO_LARGE", "DUPLICATE_REF"]);

/** What a channel is made of. */
export interface PeerChannelOptions {
  /** Whom it belongs to. */
  readonly session: PeerSession;
  readonly options: SessionOptions;
  readonly services: SessionServices;
}

/** The way to one peer: what it is sent and told, encoded for it, counted, and bounded when it does not read. */
export class PeerChannel {
  readonly transport: Transport;
  readonly options: SessionOptions;
  /** Whether the session goes on, which sets it: looked at for each delivery, so it is kept here. */
  open = true;
  /** The subscription on whose terms the peer is sent its commands, where that takes one ("on-subscribe"). */
  commandTerms: DeliveryTerms | undefined;
  readonly #session: PeerSession;
  readonly #services: SessionServices;
  readonly #buffer: number;
  #lastDispatch = 0;

  constructor(transport: Transport, { session, options, services }: PeerChannelOptions) {
    this.transport = transport;
    this.options = options;
    this.#session = session;
    this.#services = services;
    this.#buffer = options.limits?.buffer ?? defaultBuffer;
  }

  /** Where the peer is. */
  get origin(): Origin {
    const { kind, remote } = this.transport;
    return { transport: kind, remote };
  }

  get office(): PostOffice {
    return this.#services.office;
  }

  get clock(): Clock {
    return this.#services.clock;
  }

  get deliveries(): PeerDeliveries {
    return this.#services.deliveries;
  }

  /** Deliveries of one subscription that may be unacknowledged, and commands that may be unanswered. */
  get inFlight(): number {
    return this.options.limits?.inFlight ?? 100;
  }

  /** Milliseconds after which an unacknowledged delivery is sent again. */
  get redeliver(): number {
    return this.options.limits?.redeliver ?? 10_000;
  }

  /** Hands a message to the transport. Returns false when it was not taken (slow consumer) or the session has ended. */
  send(message: Message, offset: number | undefined, terms: DeliveryTerms | undefined): boolean {
    this.#services.deliveries.handed.value++;
    return this.sendHanded(message, offset, terms);
  }

  /** The same for one that has been counted as handed over. */
  sendHanded(message: Message, offset: number | undefined, terms: DeliveryTerms | undefined): boolean {
    if (!this.open) return this.#drop("closed");
    const { transport, options } = this;
    if (transport.buffered() > this.#buffer) {
      if ((options.limits?.slowConsumer ?? "disconnect") === "disconnect") this.overflowed();
      return this.#drop("slow-consumer");
    }
    const binary = terms?.binary === true;
    const codec = binary && options.binaryCodec ? options.binaryCodec : options.codec;
    const bytes = codec.encodeMessage(message, offset, terms);
    if (bytes === undefined) return this.#drop("unsayable");
    transport.send(bytes, binary || options.binary === true);
    this.#services.deliveries.sent.value++;
    return true;
  }

  /** As `send`, for a message that is being dispatched: sent once however many patterns of the peer match it. */
  sendLive(message: Message, offset: number | undefined, terms: DeliveryTerms | undefined): boolean {
    return this.claim() ? this.send(message, offset, terms) : true;
  }

  /** Takes the message that is being dispatched. Returns false when another subscription of the peer has taken it. */
  claim(): boolean {
    const { dispatches } = this.#services.office;
    if (dispatches === this.#lastDispatch) return false; // another of this peer's patterns matched it too (MQTT 3.1.1 §3.3.5)
    this.#lastDispatch = dispatches;
    return true;
  }

  /** Whether the peer's inbox brings it that message, so that no subscription does. */
  isForInbox(message: Envelope): boolean {
    return this.commandTerms !== undefined && message.type === "command" && isCommandFor(this.#session.principal!, message.to);
  }

  /** Whether the transport has taken most of what was sent. */
  hasRoom(): boolean {
    return this.transport.buffered() < this.#buffer / 4;
  }

  /** Ends the session: the peer does not read fast enough. */
  overflowed(): void {
    this.#services.log.warn("connection ended: it does not read fast enough", { ...this.#session.who(), buffered: this.transport.buffered() });
    this.#services.audit.write("limit", { ...this.#session.who(), code: "slow-consumer" });
    this.#session.close(CloseCode.slowConsumer, "slow consumer");
  }

  /** Tells the peer something that is no delivery. */
  say(frame: Exclude<Frame, Message>): void {
    if (!this.open) return;
    const bytes = this.options.codec.encode(frame);
    if (bytes) this.sayBytes(bytes);
  }

  /** The same for an answer that is encoded. */
  sayBytes(bytes: Uint8Array): void {
    this.transport.send(bytes, this.options.binary === true);
    if (this.transport.buffered() > this.#buffer) this.overflowed(); // answers are never dropped, so who asks on and on without reading them is ended
  }

  /** Tells the peer why something of it was refused: the message, or the subscription, that it calls so. */
  sayError(error: unknown, { msgid, ref }: { readonly msgid?: string | undefined; readonly ref?: string | undefined }): void {
    const { refused, log, audit } = this.#services;
    const code = errorCode(error);
    refused(code);
    const known = error instanceof BusbarError;
    if (code === "FORBIDDEN") {
      log.warn("refused", { ...this.#session.who(), error });
      audit.write("refused", { ...this.#session.who(), code, reason: errorText(error), ...(msgid && { msgid }) });
    }
    if (!known) log.error("session failed on a frame", { ...this.#session.who(), error });
    const resume = known && (code === "UNKNOWN_OFFSET" || code === "DAMAGED") ? this.#resumption(error) : undefined;
    const frame: ErrorFrame = { kind: "error", code: resume ? "UNKNOWN_OFFSET" : wireCodes.has(code) ? code : "OVERLOAD", message: known && code !== "IO" ? error.message : "internal error", msgid: msgid || undefined, ref, ...resume };
    this.say(frame);
    if (this.options.codec.isFatal?.(frame)) this.#session.close(frame.code === "OVERLOAD" ? CloseCode.full : CloseCode.protocolError, `its protocol has no word for ${frame.code}`);
  }

  /** Ends the connection, after the protocol's last words. */
  end(code: CloseCode, reason: string): void {
    const bytes = this.options.codec.farewell?.(code);
    if (bytes) this.transport.send(bytes, this.options.binary === true);
    this.transport.close(code, reason);
  }

  /** Where a peer may go on whose offset the journal does not hold (any more). */
  #resumption({ resumeAfter }: BusbarError): { readonly oldest?: number; readonly epoch?: string } {
    const { journal } = this.office;
    return journal ? { oldest: Math.max(journal.bounds().first, (resumeAfter ?? -1) + 1), epoch: journal.epoch } : {};
  }

  #drop(reason: string): false {
    this.#services.deliveries.dropped(reason);
    return false;
  }
}
