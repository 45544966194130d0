import { createHmac, timingSafeEqual } from "node:crypto";
import type { Authority, Principal } from "../../authority.ts";
import type { Receipt } from "../../bus.ts";
import type { Clock } from "../../clock.ts";
import { PrincipalBus } from "../../delivery/create-bus.ts";
import type { Done } from "../../delivery/journal-writer.ts";
import type { PostOffice } from "../../delivery/post-office.ts";
import { walkJournal } from "../../delivery/walk-journal.ts";
import { createMessage, type Draft, type Envelope, type Message, type SignatureFields } from "../../envelope.ts";
import { BusbarError } from "../../errors.ts";
import type { Journal } from "../../journal.ts";
import type { Log } from "../../log.ts";
import type { Metrics } from "../../metrics.ts";
import { nonceType } from "../../topic.ts";
import { canonicalEnvelope } from "./canonical-envelope.ts";
import { canonicalJson } from "./canonical-json.ts";
import { keepNonceNotes, nonceCursor } from "./nonce-cursor.ts";
import { NonceNotes, readNonceNote } from "./nonce-notes.ts";
import { SeenNonces, type Nonce, type Seen } from "./seen-nonces.ts";
import { readSignature } from "./signature.ts";
import type { SignatureCheck, SignedSender } from "./signed-sender.ts";

/** Messages that may come before the journal is open. */
const maxEarly = 10_000;
/** Milliseconds between two looks for nonces that can be forgotten. */
const sweepPeriod = 10_000;

/** What the keeper of signed messages works with. */
export interface SignedMessagesOptions {
  readonly office: PostOffice;
  readonly authority: () => Authority;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Milliseconds; see `signedSettings`. */
  readonly signatureWindow: number;
  readonly noncesPerDevice: number;
  readonly nonceLimit: number;
}

type Refusal = "unsigned" | "malformed" | "time" | "mac" | "replayed";

/** Verifies signed messages (WIRE §6) for every listener of the gateway, and lets each in once: its nonce is in the journal before anybody is told of the message. */
export class SignedMessages implements SignedSender {
  readonly #options: SignedMessagesOptions;
  readonly #seen: SeenNonces;
  readonly #notes: NonceNotes;
  #early: (() => void)[] | undefined = [];
  /** Whether there ever was a note in this journal, and where the newest is. */
  #newestNote: number | undefined;

  constructor(options: SignedMessagesOptions) {
    this.#options = options;
    this.#seen = new SeenNonces({ perSigner: options.noncesPerDevice, limit: options.nonceLimit });
    this.#notes = new NonceNotes(options.office);
    options.metrics.gauge("busbar_signed_nonces", "Nonces of signed messages that are remembered", () => this.#seen.size);
  }

  /** Fills the memory from the journal and keeps it. To be called before the bus opens; returns what ends it. */
  async open(journal: Journal, { durable }: { readonly durable: boolean }): Promise<() => void> {
    const { office, clock, log } = this.#options;
    const since = await journal.cursor(nonceCursor);
    if (since !== undefined) this.#newestNote = since + 1;
    for await (const page of walkJournal(journal, { after: since ?? 0, limit: 1000, pattern: `${nonceType}/#` })) {
      for (const { message, offset } of page) this.#note(message, offset);
    }
    this.#forget();
    const subscription = office.subscribe(`${nonceType}/#`, (message, offset) => {
      if (!durable && this.#newestNote === undefined) log.warn("nonces of signed messages are forgotten at a restart: no plugin provides a journal");
      if (offset !== undefined) this.#note(message, offset);
    });
    const stops = [
      clock.every(sweepPeriod, () => this.#forget()),
      keepNonceNotes({ journal, clock, log, oldest: () => (this.#newestNote === undefined ? undefined : this.#seen.oldestNote) }),
      () => subscription.close(),
    ];
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const run of early) run();
    return () => {
      for (const stop of stops) stop();
    };
  }

  /** What must be in one transaction with these messages: see NonceNotes. */
  companion(batch: readonly Message[]): Message | undefined {
    return this.#notes.companion(batch);
  }

  /**
   * Verifies a message as it came from `principal`, who may leave `from` out. Its payload is in canonical form afterwards: what is passed on is what was signed, to the letter. Returns undefined
   * for one that is not signed and need not be. Nothing is remembered yet: `deliver` does.
   * @throws {BusbarError} FORBIDDEN when it is not signed as it must be, BAD_FRAME when the signature is malformed.
   */
  check(message: Message, { mode, principal }: SignatureCheck): Nonce | undefined {
    const fields = message.signature;
    message.signature = undefined;
    if (mode === "off") return undefined;
    if (fields === undefined || (fields.mac === undefined && fields.nonce === undefined)) {
      if (mode === "accept") return undefined;
      throw this.#refuse("unsigned", "Cannot take the message: it is not signed, which this listener requires");
    }
    try {
      return this.#verify(message, fields, principal);
    } catch (error) {
      if (error instanceof BusbarError && error.code === "BAD_FRAME") this.#count("malformed");
      throw error;
    }
  }

  #verify(message: Message, fields: SignatureFields, principal: Principal): Nonce {
    const { mac, nonce, signedAt } = readSignature(fields);
    if (message.from === "") message.from = principal.id;
    if (message.msgid === "" || message.timestamp === 0) throw new BusbarError("BAD_FRAME", "Cannot use the message: a signed one needs a msgid and a timestamp");
    const time = signedAt ?? message.timestamp;
    const { clock, signatureWindow } = this.#options;
    const late = clock.now() - time;
    if (Math.abs(late) > signatureWindow || time < this.#seen.forgotten) throw this.#refuse("time", `Cannot take the message: it was signed ${Math.abs(late)} ms ${late < 0 ? "ahead of" : "ago by"} the gateway's clock, ${signatureWindow} are allowed`);
    const bytes = message.payloadBytes();
    const payload = canonicalJson(bytes ?? message.payload);
    const signer = this.#signer(message.from, { mac, text: canonicalEnvelope(message, { nonce, signedAt, payload }) });
    if (signer === undefined) throw this.#refuse("mac", "Cannot take the message: its mac is not that of its sender's key");
    if (bytes === undefined) message.restate(payload);
    return { from: message.from, nonce, signer, time };
  }

  /** Whose key has signed: that of the sender, or of one that speaks for it. Undefined: nobody's. */
  #signer(from: string, { mac, text }: { readonly mac: Uint8Array; readonly text: string }): string | undefined {
    const authority = this.#options.authority();
    for (let id = from; id !== ""; id = id.slice(0, Math.max(0, id.lastIndexOf("/")))) {
      for (const key of authority.messageKeys?.(id) ?? []) if (timingSafeEqual(createHmac("sha256", key).update(text).digest(), mac)) return id;
    }
    return undefined;
  }

  /**
   * Sends a message that `check` has let pass and that its sender may publish. `done` hears its fate, that of a qos 0 message, too: it is published once its nonce is in the journal.
   * A repetition of one of qos 1 or 2 that is in the journal is acknowledged again.
   * @throws {BusbarError} FORBIDDEN for a nonce that was seen before, OVERLOAD when no more can be remembered.
   */
  deliver(message: Message, { nonce, done }: { readonly nonce: Nonce; readonly done: Done }): void {
    if (this.#early !== undefined) {
      this.#hold(() => {
        try {
          this.deliver(message, { nonce, done });
        } catch (error) {
          done(error, 0, false);
        }
      });
      return;
    }
    const known = this.#seen.find(nonce);
    if (known !== undefined) return this.#repeat(message, { known, done });
    const { office } = this.#options;
    if (message.qos === 0) {
      this.claim(nonce, (error) => {
        if (error === undefined) office.publish(message);
        done(error, 0, false);
      });
      return;
    }
    const { msgid } = message;
    const seen: Seen = { msgid, offset: undefined };
    this.#seen.add(nonce, seen);
    this.#notes.attach(message, { ...nonce, msgid });
    office.deliver(message, (error, offset, duplicate) => {
      this.#notes.detach(message);
      if (error !== undefined) this.#seen.remove(nonce);
      else seen.offset = offset;
      if (!duplicate) return done(error, offset, duplicate);
      this.#notes.add({ ...nonce, msgid, offset }, (problem) => done(problem, offset, true)); // the message is in the journal already, without this nonce
    });
  }

  /** Uses up a nonce. `done` hears when that is in the journal, or why not. @throws {BusbarError} as `deliver`. */
  claim(nonce: Nonce, done: (error: unknown) => void): void {
    if (this.#seen.find(nonce) !== undefined) throw this.#replayed();
    this.#seen.add(nonce, { msgid: undefined, offset: undefined });
    this.#notes.add(nonce, (error) => {
      if (error !== undefined) this.#seen.remove(nonce);
      done(error);
    });
  }

  send(draft: Draft, { mode, principal, signature }: SignatureCheck & { readonly signature: SignatureFields }): Promise<Receipt | undefined> {
    const { office, authority } = this.#options;
    const message = createMessage(draft);
    message.signature = signature;
    const nonce = this.check(message, { mode, principal });
    if (nonce === undefined) return Promise.resolve(undefined);
    new PrincipalBus({ office, authority }, principal).admit(message);
    return new Promise((resolve, reject) => {
      this.deliver(message, { nonce, done: (error, offset, duplicate) => (error === undefined ? resolve({ msgid: message.msgid, offset, duplicate }) : reject(error)) });
    });
  }

  #repeat(message: Message, { known, done }: { readonly known: Seen; readonly done: Done }): void {
    if (message.qos === 0 || known.msgid !== message.msgid) throw this.#replayed();
    const { office } = this.#options;
    if (known.offset === undefined) office.deliver(message, done); // it is on its way, and both share its fate
    else office.acknowledge(message, { offset: known.offset, done });
  }

  #hold(run: () => void): void {
    if (this.#early!.length >= maxEarly) throw new BusbarError("OVERLOAD", "Cannot take a signed message: the gateway is starting");
    this.#early!.push(run);
  }

  /** A note is in the journal: of this run, or of one before it. */
  #note(message: Envelope, note: number): void {
    this.#newestNote = Math.max(this.#newestNote ?? 0, note);
    for (const { msgid, offset, back, ...nonce } of readNonceNote(message)) {
      this.#seen.restore(nonce, { seen: { msgid, offset: offset ?? (back === undefined ? undefined : note - back) }, note });
    }
  }

  #forget(): void {
    const { clock, signatureWindow } = this.#options;
    this.#seen.forget(clock.now() - signatureWindow);
  }

  #replayed(): BusbarError {
    return this.#refuse("replayed", "Cannot take the message: its nonce was used before");
  }

  #refuse(reason: Refusal, text: string): BusbarError {
    this.#count(reason);
    return new BusbarError("FORBIDDEN", text);
  }

  #count(reason: Refusal): void {
    this.#options.metrics.counter("busbar_signed_refused_total", "Messages refused for their signature, by reason", { reason }).value++;
  }
}
