import { createHmac } from "node:crypto";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { BusbarError, type Clock, type Counter, type Delivery, type Entry, type Metrics } from "@busbar/core";
import { contentTypes, formatBatch } from "./batch-body.ts";
import type { WebhookConfig } from "./config.ts";
import { judgeAnswer, type NamedRefusal, type Verdict } from "./http-answer.ts";
import type { Requester } from "./http-request.ts";

/** What a sender works with. */
export interface BatchSenderOptions {
  readonly config: Pick<WebhookConfig, "format" | "compress" | "secret" | "headers" | "maxRetryAfter">;
  readonly requester: Requester;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Names the journal that the offsets belong to. */
  readonly epoch: string;
}

/** Milliseconds until an address or a token that is wrong is tried again. */
const misconfiguredPause = 30_000;

const compress = promisify(gzip);

/**
 * Hands batches to the server and finds out which messages it refuses: a request that is refused as a whole is halved until the messages to blame stand alone, so that
 * one bad message costs its neighbours nothing.
 */
export class BatchSender {
  readonly #options: BatchSenderOptions;
  readonly #messages: Counter;
  readonly #bytes: Counter;
  readonly #seconds: Counter;
  /** What the server has decided on in batches that are not done yet, by offset; the text is why it was refused. It is not sent again with the rest. */
  readonly #decided = new Map<number, "taken" | { readonly refused: string }>();
  /** Offsets behind which a batch that is not done yet was cut: it is cut there again, so that a request which is repeated is the same request. */
  readonly #cuts = new Set<number>();

  constructor(options: BatchSenderOptions) {
    this.#options = options;
    const { metrics } = options;
    this.#messages = metrics.counter("busbar_webhook_messages_total", "Messages the server has taken");
    this.#bytes = metrics.counter("busbar_webhook_bytes_total", "Bytes of request bodies sent");
    this.#seconds = metrics.counter("busbar_webhook_seconds_total", "Seconds from request to answer");
  }

  /**
   * Sends a batch, in order, in as few requests as the server lets it.
   * @throws {BusbarError} REFUSED, naming the entries that the server will never take, when all others have arrived; OVERLOAD, UNAVAILABLE or TIMEOUT when some are to be sent again.
   */
  async send(batch: readonly Entry[], delivery: Pick<Delivery, "lane" | "late" | "signal">): Promise<void> {
    for (const part of this.#parts(batch)) await this.#sendPart(this.#undecided(part), delivery);
    const reasons = new Map<number, string>();
    for (const { offset } of batch) {
      const decision = this.#decided.get(offset);
      if (typeof decision === "object") reasons.set(offset, decision.refused);
      this.#decided.delete(offset);
      this.#cuts.delete(offset);
    }
    if (reasons.size > 0) throw new BusbarError("REFUSED", "the server refused some of it", { retryable: false, offsets: [...reasons.keys()], reasons });
  }

  async #sendPart(entries: readonly Entry[], delivery: Pick<Delivery, "lane" | "late" | "signal">): Promise<void> {
    if (entries.length === 0) return;
    const verdict = await this.#request(entries, delivery);
    if (verdict.kind === "taken") return this.#took(entries, verdict.refused);
    if (verdict.kind === "later") throw new BusbarError("OVERLOAD", `Cannot hand over ${entries.length} messages: the server ${verdict.reason}`, { retryAfter: verdict.after === undefined ? undefined : Math.min(verdict.after, this.#options.config.maxRetryAfter) });
    if (verdict.kind === "misconfigured") throw new BusbarError("UNAVAILABLE", `Cannot hand over messages: the server ${verdict.reason}`, { retryAfter: misconfiguredPause });
    if (verdict.kind === "refused" && this.#refuse(entries, verdict.refused) > 0) return this.#sendPart(this.#undecided(entries), delivery);
    if (entries.length === 1) return void this.#decided.set(entries[0]!.offset, { refused: `the server ${verdict.reason}` });
    const half = Math.ceil(entries.length / 2);
    this.#cuts.add(entries[half - 1]!.offset);
    await this.#sendPart(entries.slice(0, half), delivery);
    await this.#sendPart(entries.slice(half), delivery);
  }

  #undecided(entries: readonly Entry[]): readonly Entry[] {
    return entries.filter(({ offset }) => !this.#decided.has(offset));
  }

  #parts(batch: readonly Entry[]): readonly (readonly Entry[])[] {
    const ends = batch.flatMap(({ offset }, at) => (this.#cuts.has(offset) ? [at + 1] : []));
    return [0, ...ends].map((start, at) => batch.slice(start, ends[at]));
  }

  #took(entries: readonly Entry[], names: readonly NamedRefusal[]): void {
    const refused = this.#refuse(entries, names);
    for (const { offset } of this.#undecided(entries)) this.#decided.set(offset, "taken");
    this.#messages.value += entries.length - refused;
  }

  /** Notes which of the entries are refused by name, and returns how many. A msgid that several senders use names all of theirs. */
  #refuse(entries: readonly Entry[], names: readonly NamedRefusal[]): number {
    const found = new Map<number, string>();
    for (const { msgid, offset, reason } of names) {
      for (const entry of entries) if (entry.offset === offset || entry.message.msgid === msgid) found.set(entry.offset, reason);
    }
    for (const [offset, reason] of found) this.#decided.set(offset, { refused: reason });
    return found.size;
  }

  async #request(entries: readonly Entry[], { lane, late, signal }: Pick<Delivery, "lane" | "late" | "signal">): Promise<Verdict> {
    const { config, requester, clock, epoch } = this.#options;
    const text = formatBatch(config.format, entries, { lane, late });
    const plain = Buffer.from(text);
    const body = config.compress === "gzip" ? await compress(plain) : plain;
    const seconds = Math.floor(clock.now() / 1000);
    const headers = {
      "user-agent": "busbar",
      accept: "application/json",
      ...config.headers,
      "content-type": contentTypes[config.format],
      "idempotency-key": `${epoch}-${entries[0]!.offset}-${entries.at(-1)!.offset}-${entries.length}`,
      ...(config.compress === "gzip" ? { "content-encoding": "gzip" } : {}),
      ...(config.secret === undefined ? {} : { "x-busbar-signature": `t=${seconds},v1=${sign(config.secret, seconds, plain)}` }),
    };
    const began = performance.now();
    try {
      const answer = await requester.send(body, headers, signal);
      this.#count(`${Math.trunc(answer.status / 100)}xx`);
      return judgeAnswer(answer, clock.now());
    } catch (error) {
      this.#count(error instanceof BusbarError && error.code === "TIMEOUT" ? "timeout" : "error");
      throw error;
    } finally {
      this.#bytes.value += body.length;
      this.#seconds.value += (performance.now() - began) / 1000;
    }
  }

  #count(status: string): void {
    this.#options.metrics.counter("busbar_webhook_requests_total", "Requests to the server, by how they ended", { status }).value++;
  }
}

/** HMAC-SHA-256 of `<seconds>.<body>`, hex: the time is signed with the body, so that a request cannot be played again later. */
function sign(secret: string, seconds: number, body: Uint8Array): string {
  return createHmac("sha256", secret).update(`${seconds}.`).update(body).digest("hex");
}
