import { loadPayload } from "./source.ts";

/** What a source was promised, whatever it is. */
export interface Account {
  readonly id: string;
  readonly qos: number;
  /** The newest number it has used. */
  readonly sent: number;
  /** How many of them are acknowledged. */
  readonly acknowledged: number;
  isAcknowledged(n: number): boolean;
  /** Where its acknowledgement said that it is. */
  offsetOf(n: number): number | undefined;
}

/** What a source's part of a log looks like. */
interface Part {
  readonly source: Account;
  readonly seen: boolean[];
  /** The newest number, by lane. */
  readonly highest: Map<string, number>;
}

/** An entry of a journal, or a message as a receiver has it. */
export interface Found {
  readonly from: string;
  readonly msgid: string;
  readonly payload: unknown;
  readonly offset?: number | undefined;
  /** The lane of a sink; order holds within one. */
  readonly lane?: string | undefined;
}

/** What was counted. */
export interface Counts {
  readonly sent: number;
  readonly acknowledged: number;
  readonly found: number;
  readonly lost: number;
  readonly doubled: number;
  readonly reordered: number;
}

/**
 * Compares what sources were promised with what is there, read in order: each acknowledged message once, of each source in the order of its numbers. What was sent and never
 * acknowledged may be there or not. Messages of others are left out.
 */
export class Verdict {
  /** One sentence for each thing that should not be, the first 20. */
  readonly problems: string[] = [];
  /** Messages that came again where that is allowed. */
  repeated = 0;
  readonly #repeats: boolean;
  readonly #parts = new Map<string, Part>();
  #found = 0;
  #doubled = 0;
  #reordered = 0;
  #lastOffset = 0;

  /** `repeats`: it is about a receiver that may get a message more than once, which it can tell by sender and msgid. */
  constructor(sources: readonly Account[], { repeats = false }: { readonly repeats?: boolean } = {}) {
    this.#repeats = repeats;
    for (const source of sources) if (source.qos > 0) this.#parts.set(source.id, { source, seen: [], highest: new Map() });
  }

  /** Different messages so far. */
  get found(): number {
    return this.#found;
  }

  take({ from, msgid, payload, offset, lane = "" }: Found): void {
    if (!this.#repeats) this.#checkOffset(offset);
    const part = this.#parts.get(from);
    const n = Number(msgid);
    if (part === undefined || !Number.isInteger(n)) return; // the gateway's word about that device
    const { source, seen } = part;
    if (n < 1 || n > source.sent) return this.#problem(`${from} has a message ${msgid} that it never sent`);
    if (JSON.stringify(payload) !== JSON.stringify(loadPayload(from, n))) this.#problem(`message ${n} of ${from} has another content`);
    const told = source.offsetOf(n);
    if (told !== undefined && offset !== undefined && told !== offset) this.#problem(`message ${n} of ${from} was acknowledged at offset ${told} and is at ${offset}`);
    if (seen[n] && this.#repeats) return void this.repeated++;
    if (seen[n]) {
      this.#doubled++;
      return this.#problem(`message ${n} of ${from} is there twice, the second time at offset ${offset}`);
    }
    seen[n] = true;
    this.#found++;
    const highest = part.highest.get(lane) ?? 0;
    if (n < highest) {
      this.#reordered++;
      this.#problem(`message ${n} of ${from} comes after ${highest}${lane && ` in lane ${lane}`}`);
    } else part.highest.set(lane, n);
  }

  #checkOffset(offset: number | undefined): void {
    if (offset === undefined) return;
    if (offset <= this.#lastOffset) this.#problem(`offset ${offset} comes after ${this.#lastOffset}`);
    this.#lastOffset = offset;
  }

  /** Everything has been read. `pruned`: retention may have removed the oldest of each source; what is there must then still be without a gap. */
  finish({ pruned = false }: { readonly pruned?: boolean } = {}): Counts {
    let lost = 0;
    for (const { source, seen } of this.#parts.values()) {
      const first = pruned ? Math.max(1, seen.indexOf(true)) : 1;
      for (let n = first; n <= source.sent; n++) {
        if (seen[n] || !source.isAcknowledged(n)) continue;
        lost++;
        this.#problem(`message ${n} of ${source.id} was acknowledged and is not there`);
      }
    }
    const sources = [...this.#parts.values()].map((part) => part.source);
    const sum = (count: (source: Account) => number): number => sources.reduce((total, source) => total + count(source), 0);
    return { sent: sum((source) => source.sent), acknowledged: sum((source) => source.acknowledged), found: this.#found, lost, doubled: this.#doubled, reordered: this.#reordered };
  }

  #problem(text: string): void {
    if (this.problems.length < 20) this.problems.push(text);
  }
}
