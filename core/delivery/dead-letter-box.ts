import type { Receipt } from "../bus.ts";
import type { DeadLetter, DeadLetterChoice, DeadLetters } from "../dead-letters.ts";
import { completeMessage, createMessage, parsePayload, toJsonObject, type Draft, type Envelope } from "../envelope.ts";
import { BusbarError } from "../errors.ts";
import type { Entry, Journal } from "../journal.ts";
import type { Log } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { nameDigest } from "./name-digest.ts";
import { walkJournal } from "./walk-journal.ts";

/** What a dead letter box works with. */
export interface DeadLetterBoxOptions {
  readonly deliver: (draft: Draft) => Promise<Receipt>;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Dead letters kept track of; of more the oldest are forgotten. Default 100,000. */
  readonly limit?: number;
}

/** What is kept in memory of a dead letter; the rest stays in the journal. */
export interface KnownDeadLetter {
  readonly id: string;
  /** Its own place in the journal. */
  readonly offset: number;
  readonly reader: string;
}

/** An entry that a sink refused for good. */
export interface RefusedEntry {
  readonly entry: Entry;
  readonly reason: string;
  /** The dead letter that was replayed. */
  readonly replaces?: KnownDeadLetter | undefined;
}

/** Ids in one message. */
const idsAtOnce = 1000;
/** Characters of a reason. */
const reasonLength = 1000;

/**
 * The dead letters of a gateway: a view of the `dead-letter/#` messages of the journal, filled from it at start and by nothing else. Such a message either says that a message is dead,
 * `{reason, received, message, replaces?}`, or what becomes of some: `{replay: [id]}` asks for them to be handed over again, `{replayed: [id]}` and `{drop: [id]}` end them.
 */
export class DeadLetterBox implements DeadLetters {
  readonly #options: DeadLetterBoxOptions;
  readonly #limit: number;
  /** In the order of the journal. */
  readonly #known = new Map<string, KnownDeadLetter>();
  /** Those that are to be handed over again, by reader, in the order in which that was asked for. */
  readonly #asked = new Map<string, Set<KnownDeadLetter>>();
  #journal: Journal | undefined;

  constructor(options: DeadLetterBoxOptions) {
    this.#options = options;
    this.#limit = options.limit ?? 100_000;
    options.metrics.gauge("busbar_dead_letters", "Messages that sinks have refused for good and that wait for a decision", () => this.size);
  }

  /** Fills the view. */
  async open(journal: Journal): Promise<void> {
    this.#journal = journal;
    for await (const page of walkJournal(journal, { after: 0, limit: 5000, pattern: "dead-letter/#" })) for (const { message, offset } of page) this.see(message, offset);
  }

  /** Takes note of a message on `dead-letter/#`. Only what comes from the reader itself counts: nobody else speaks for it. */
  see(message: Envelope, offset: number): void {
    const { payload, from, msgid } = message;
    if (message.to !== "server" || typeof payload !== "object" || payload === null) return;
    if ("message" in payload) {
      for (const one of this.#named(payload, "replaces", from)) this.#remove(one);
      this.#known.set(msgid, { id: msgid, offset, reader: from });
      if (this.#known.size > this.#limit) this.#forget(this.#known.values().next().value!, "limit");
      return;
    }
    for (const what of ["drop", "replayed"]) for (const one of this.#named(payload, what, from)) this.#remove(one);
    for (const one of this.#named(payload, "replay", from)) {
      const asked = this.#asked.get(from);
      if (asked) asked.add(one);
      else this.#asked.set(from, new Set([one]));
    }
  }

  get size(): number {
    this.#forgetRemoved();
    return this.#known.size;
  }

  async list(query: { readonly reader?: string | undefined; readonly after?: string | undefined; readonly limit: number }): Promise<readonly DeadLetter[]> {
    const { reader, after, limit } = query;
    const start = after === undefined ? 0 : this.#known.get(after)?.offset;
    if (start === undefined) throw new BusbarError("NOT_FOUND", `Cannot list dead letters after ${JSON.stringify(after)}: there is none of that id`);
    const page = this.#choose({ reader }).filter(({ offset }) => offset > start).slice(0, limit);
    return await this.load(page);
  }

  replay(choice: DeadLetterChoice): Promise<number> {
    return this.#say("replay", this.#choose(choice));
  }

  drop(choice: DeadLetterChoice): Promise<number> {
    return this.#say("drop", this.#choose(choice));
  }

  /** Whether some of a reader's are to be handed over again. */
  isAsked(reader: string): boolean {
    return this.#asked.has(reader);
  }

  /** Those of a reader that are to be handed over again, `count` at the most. */
  asked(reader: string, count: number): readonly KnownDeadLetter[] {
    return [...(this.#asked.get(reader) ?? [])].slice(0, count).sort(byOffset);
  }

  /** Reads them, which are in the order of the journal. What cannot be read any more is forgotten. */
  async load(letters: readonly KnownDeadLetter[]): Promise<DeadLetter[]> {
    const found: DeadLetter[] = [];
    const topics = [...new Set(letters.map(({ reader }) => `dead-letter/${reader}`))];
    for (let at = 0; at < letters.length; ) {
      const next = letters[at]!;
      try {
        const { entries, until } = await this.#journal!.read({ after: next.offset - 1, limit: Math.min(letters.length - at, 1000), pattern: topics });
        const byPlace = new Map(entries.map((entry) => [entry.offset, entry.message]));
        for (; at < letters.length && letters[at]!.offset <= until; at++) {
          const message = byPlace.get(letters[at]!.offset);
          const letter = message && unpack(letters[at]!, message);
          if (letter) found.push(letter);
          else this.#forget(letters[at]!, message ? "malformed" : "missing");
        }
      } catch (error) {
        if (!(error instanceof BusbarError) || (error.code !== "UNKNOWN_OFFSET" && error.code !== "DAMAGED")) throw error;
        this.#forget(next, error.code === "DAMAGED" ? "damaged" : "retention");
        at++;
      }
    }
    return found;
  }

  /** Makes a dead letter of each entry, once: repeated after a crash it is known by its msgid. Resolves when that is durable. */
  async bury(reader: string, refused: readonly RefusedEntry[]): Promise<void> {
    const prefix = `dl-${nameDigest(this.#journal!.epoch + " " + reader)}`; // two readers may refuse the same message
    const draft = ({ entry: { offset, message }, reason, replaces }: RefusedEntry): Draft => ({
      type: "dead-letter",
      from: reader,
      msgid: `${prefix}-${offset}${replaces === undefined ? "" : `-${replaces.offset}`}`,
      qos: 1,
      payload: { reason: reason.slice(0, reasonLength), received: message.received, message: toJsonObject(message, offset), ...(replaces === undefined ? {} : { replaces: [replaces.id] }) },
    });
    const receipts = await Promise.all(refused.map((one) => this.#options.deliver(draft(one))));
    this.#options.metrics.counter("busbar_dead_letters_total", "Messages that sinks have refused for good", { reader }).value += receipts.filter(({ duplicate }) => !duplicate).length;
  }

  /** These have been taken at last. */
  async replayed(letters: readonly KnownDeadLetter[]): Promise<void> {
    await this.#say("replayed", letters);
  }

  async #say(what: "drop" | "replay" | "replayed", letters: readonly KnownDeadLetter[]): Promise<number> {
    const drafts: Draft[] = [];
    for (const [reader, some] of Map.groupBy(letters, (letter) => letter.reader)) {
      for (let at = 0; at < some.length; at += idsAtOnce) drafts.push({ type: "dead-letter", from: reader, qos: 1, payload: { [what]: some.slice(at, at + idsAtOnce).map(({ id }) => id) } });
    }
    await Promise.all(drafts.map((draft) => this.#options.deliver(draft)));
    return letters.length;
  }

  /** Those that are meant, oldest first. */
  #choose({ ids, reader }: DeadLetterChoice): readonly KnownDeadLetter[] {
    this.#forgetRemoved();
    const some = ids === undefined ? [...this.#known.values()] : [...new Set(ids)].flatMap((id) => this.#known.get(id) ?? []).sort(byOffset);
    return reader === undefined ? some : some.filter((one) => one.reader === reader);
  }

  /** The dead letters of a reader that a payload names under `key`. */
  #named(payload: object, key: string, reader: string): KnownDeadLetter[] {
    const ids: unknown = Reflect.get(payload, key);
    return Array.isArray(ids) ? ids.flatMap((id) => this.#known.get(id) ?? []).filter((one) => one.reader === reader) : [];
  }

  #remove(one: KnownDeadLetter): void {
    this.#known.delete(one.id);
    const asked = this.#asked.get(one.reader);
    asked?.delete(one);
    if (asked?.size === 0) this.#asked.delete(one.reader);
  }

  /** Retention takes dead letters like everything else: a single one must not hold on to all that came after it. */
  #forgetRemoved(): void {
    const first = this.#journal?.bounds().first ?? 0;
    for (const one of this.#known.values()) {
      if (one.offset >= first) return;
      this.#forget(one, "retention");
    }
  }

  #forget(one: KnownDeadLetter, reason: string): void {
    this.#remove(one);
    this.#options.metrics.counter("busbar_dead_letters_lost_total", "Dead letters that were lost before somebody decided on them, by reason", { reason }).value++;
    this.#options.log.error("dead letter is lost", { ...one, reason });
  }
}

const byOffset = (one: KnownDeadLetter, other: KnownDeadLetter): number => one.offset - other.offset;

/** The dead letter that a payload is, or undefined when it is none: whoever may speak for the reader may have said anything. */
function unpack({ id, offset, reader }: KnownDeadLetter, { payload, received }: Envelope): DeadLetter | undefined {
  const { reason, received: arrived, message } = payload as { readonly reason: unknown; readonly received: unknown; readonly message: Draft & { readonly offset?: unknown } };
  if (typeof reason !== "string" || !Number.isSafeInteger(arrived) || !Number.isSafeInteger(message?.offset)) return undefined;
  try {
    const original = createMessage({ ...message, payload: parsePayload(message.payload) });
    completeMessage(original, { from: reader, now: arrived as number, mint: () => id });
    return { id, offset, reader, reason, time: received, message: original, place: message.offset as number };
  } catch {
    return undefined;
  }
}
