import type { Qos } from "@busbar/core";
import type { Urls } from "./gateway-process.ts";
import type { Delivered, Identity, Link, OpenLink } from "./links.ts";
import { loadPayload } from "./source.ts";

/** What a witness is. */
export interface WitnessOptions extends Identity {
  readonly open: OpenLink;
  readonly qos: Qos;
  /** What it subscribes to. */
  readonly topic: string;
}

/**
 * A subscriber that resumes: it keeps the offset of the last delivery it has, asks for what follows after each lost connection, and checks what it gets. At qos 0 each entry
 * has to come once; at qos 1 what it did not acknowledge may come again. Sources number their messages, so a gap shows at once.
 */
export class Witness {
  readonly id: string;
  /** One sentence for each thing that should not be, the first 20. */
  readonly problems: string[] = [];
  /** Deliveries, all of them. */
  deliveries = 0;
  /** Deliveries of qos 1 that came again. */
  repeated = 0;
  readonly #options: WitnessOptions;
  /** By source: the number seen last, and the offset of each number. */
  readonly #seen = new Map<string, { last: number; readonly offsets: number[] }>();
  #last = 0;
  #link: Link | undefined;
  #onDelivery: (() => void) | undefined;

  constructor(options: WitnessOptions) {
    this.id = options.id;
    this.#options = options;
  }

  /** The offset it has come to. */
  get last(): number {
    return this.#last;
  }

  /** The newest number it has seen of a source. */
  seen(source: string): number {
    return this.#seen.get(source)?.last ?? 0;
  }

  /** Where it saw message `n` of a source. */
  offsetOf(source: string, n: number): number | undefined {
    return this.#seen.get(source)?.offsets[n];
  }

  /** Forgets everything: it begins with the oldest entry again. */
  restart(): void {
    this.#seen.clear();
    this.#last = 0;
  }

  /** Connects and resumes. Resolves when it has subscribed, or when the connection failed. */
  connect(urls: Urls, onDelivery?: () => void): Promise<void> {
    this.#onDelivery = onDelivery;
    return new Promise((resolve) => {
      const subscribe = (): void => link.subscribe(this.#options.topic, { qos: this.#options.qos, since: this.#last });
      const link = (this.#link = this.#options.open(urls, this.#options, {
        ready: () => {
          subscribe();
          resolve();
        },
        delivered: (message) => this.#take(message, link),
        refused: (code, _msgid, message) => {
          // The plugin that stores is being restarted: a subscriber tries again.
          if (code === "OVERLOAD") setTimeout(() => this.#link === link && subscribe(), 100);
          else this.#problem(`${this.id} was refused: ${code} ${message}`);
        },
        closed: () => resolve(),
      }));
    });
  }

  /** Pulls the plug. */
  disconnect(): void {
    this.#link?.destroy();
    this.#link = undefined;
  }

  #take({ offset, from, msgid, qos, payload }: Delivered, link: Link): void {
    const { qos: own } = this.#options;
    if (offset === undefined) return; // live only, or a retained value on its way to the journal
    this.deliveries++;
    const again = offset <= this.#last;
    if (again && own === 0) this.#problem(`${this.id} was sent offset ${offset} after ${this.#last}`);
    if (again && own > 0) this.repeated++;
    if (own > 0 && qos > 0) link.acknowledge(msgid);
    if (!again) this.#last = offset;
    const n = numberOf(payload);
    if (n !== undefined && qos > 0) this.#check(from, n, offset, payload);
    this.#onDelivery?.();
  }

  #check(from: string, n: number, offset: number, payload: unknown): void {
    let seen = this.#seen.get(from);
    if (seen === undefined) this.#seen.set(from, (seen = { last: 0, offsets: [] }));
    if (n <= seen.last) {
      if (seen.offsets[n] !== offset) this.#problem(`${this.id} saw message ${n} of ${from} at offset ${seen.offsets[n]} and again at ${offset}`);
      return;
    }
    if (n !== seen.last + 1) this.#problem(`${this.id} saw message ${n} of ${from} at offset ${offset}, but none from ${seen.last + 1} on`);
    if (JSON.stringify(payload) !== JSON.stringify(loadPayload(from, n))) this.#problem(`${this.id} saw message ${n} of ${from} with another content`);
    seen.last = n;
    seen.offsets[n] = offset;
  }

  #problem(text: string): void {
    if (this.problems.length < 20) this.problems.push(text);
  }
}

function numberOf(payload: unknown): number | undefined {
  const n = typeof payload === "object" && payload !== null && "text" in payload && "n" in payload ? payload.n : undefined;
  return typeof n === "number" ? n : undefined;
}
