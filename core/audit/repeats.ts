import type { AuditAction, AuditFields } from "../audit.ts";
import type { Clock } from "../clock.ts";

/** Milliseconds in which equal entries are summed up, and how many of them are written one by one first. */
const window = 10_000;
const verbatim = 10;
/** Peers that are told apart within one window. */
const mostPeers = 1000;

const summed: ReadonlySet<string> = new Set(["login", "limit", "refused"]);

interface Repeat {
  readonly action: AuditAction;
  readonly source: string;
  /** Whether it is of many peers. */
  readonly others: boolean;
  seen: number;
  count: number;
  since: number;
  fields: AuditFields;
}

/** What is written of the entries that were held back: `fields` of the last one, with `count`, `since` and `until`. */
export type WriteSum = (action: AuditAction, fields: AuditFields, source: string) => void;

/**
 * Sums up what comes again and again from the same peer: of logins and refusals of one kind, peer and reason code, the first ten in ten seconds go on as they are, the rest as one entry with their number at the end of these ten
 * seconds. Memory is bounded: beyond a thousand peers the others share one sum.
 */
export class Repeats {
  readonly #clock: Clock;
  readonly #write: WriteSum;
  readonly #repeats = new Map<string, Repeat>();
  #began = 0;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, write: WriteSum) {
    this.#clock = clock;
    this.#write = write;
  }

  /** Returns whether the entry is held back. */
  hold(action: AuditAction, fields: AuditFields, source: string): boolean {
    if (!summed.has(action) && !action.endsWith("-refused") && !action.endsWith("-failed")) return false;
    const now = this.#clock.now();
    if (now - this.#began >= window || now < this.#began) {
      this.flush();
      this.#began = now;
    }
    const repeat = this.#find(action, fields, source);
    if (repeat.seen++ < verbatim) return false;
    if (repeat.count++ === 0) repeat.since = now;
    repeat.fields = fields;
    this.#cancel ??= this.#clock.after(this.#began + window - now, () => this.flush());
    return true;
  }

  /** Writes what was held back. */
  flush(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    const repeats = [...this.#repeats.values()];
    this.#repeats.clear();
    const until = this.#clock.now();
    for (const { action, source, others, count, since, fields } of repeats) if (count > 0) this.#write(action, { ...(others ? { others } : fields), count, since, until }, source);
  }

  #find(action: AuditAction, fields: AuditFields, source: string): Repeat {
    const { id = "", remote = "", transport = "", code = "" } = fields;
    const key = [action, source, id, remote, transport, code].join("\n");
    const known = this.#repeats.get(key);
    if (known) return known;
    const others = this.#repeats.size >= mostPeers;
    const place = others ? `${action}\nothers` : key;
    let repeat = this.#repeats.get(place);
    if (!repeat) this.#repeats.set(place, (repeat = { action, source, others, seen: 0, count: 0, since: 0, fields }));
    return repeat;
  }
}
