import type { Draft, Qos } from "@busbar/core";
import type { Urls } from "./gateway-process.ts";
import type { Identity, Link, OpenLink } from "./links.ts";

/** Messages a source lets be unacknowledged at once. */
const windowSize = 100;
/** Every so many messages one is retained. */
const retainEvery = 16;

/** Milliseconds until it sends again what was refused because of overload. */
const retryPause = 50;

/** What a source is. */
export interface SourceOptions extends Identity {
  readonly type: string;
  readonly qos: Qos;
  readonly open: OpenLink;
}

/** The content of message `n` of a source: some short, some long, all different, so that a mix-up shows. */
export function loadPayload(id: string, n: number): { readonly n: number; readonly text: string } {
  return { n, text: `${id} ${"x".repeat((n * 31) % 197)}` };
}

/**
 * A device as WIRE wants it: it numbers its messages 1, 2, 3, … and keeps each until it is acknowledged; after a lost connection it sends those again, in order and under the
 * same msgid, before anything new. What it was told is acknowledged it never sends again: if that is lost, nobody repairs it.
 */
export class Source {
  readonly id: string;
  readonly qos: Qos;
  readonly type: string;
  /** What it was told to be wrong, other than that the gateway is overloaded. */
  readonly refusals: string[] = [];
  /** How often it was refused because of overload and sent everything again, in order. */
  retries = 0;
  readonly #options: SourceOptions;
  readonly #unacknowledged = new Map<number, Draft>();
  readonly #offsets: number[] = [];
  #sent = 0;
  #link: Link | undefined;
  #ready = false;
  #onAck: ((n: number) => void) | undefined;
  #retry: NodeJS.Timeout | undefined;

  constructor(options: SourceOptions) {
    this.id = options.id;
    this.qos = options.qos;
    this.type = options.type;
    this.#options = options;
  }

  /** The newest number it has used: it has sent 1 to this. */
  get sent(): number {
    return this.#sent;
  }

  get waiting(): number {
    return this.#unacknowledged.size;
  }

  get acknowledged(): number {
    return this.#sent - this.#unacknowledged.size;
  }

  /** The newest retained message that is acknowledged with all before it; 0 when there is none. */
  get retained(): number {
    const [oldest = this.#sent + 1] = this.#unacknowledged.keys();
    return Math.floor((oldest - 1) / retainEvery) * retainEvery;
  }

  isAcknowledged(n: number): boolean {
    return n <= this.#sent && !this.#unacknowledged.has(n);
  }

  /** The offset that the acknowledgement of a message named, where it named one. */
  offsetOf(n: number): number | undefined {
    return this.#offsets[n];
  }

  /** Connects, and sends again what is not acknowledged. Resolves when it may send, or when the connection failed. */
  connect(urls: Urls, onAck?: (n: number) => void): Promise<void> {
    this.#onAck = onAck;
    return new Promise((resolve) => {
      this.#link = this.#options.open(urls, this.#options, {
        ready: () => {
          this.#ready = true;
          this.#link!.send([...this.#unacknowledged.values()]);
          resolve();
        },
        acked: (msgid, offset) => this.#acked(Number(msgid), offset),
        refused: (code, msgid, message) => {
          if (code === "OVERLOAD") this.#retryLater();
          else this.refusals.push(`${this.id} was refused ${msgid ?? "a frame"}: ${code} ${message}`);
        },
        closed: () => {
          this.#ready = false;
          clearTimeout(this.#retry);
          this.#retry = undefined;
          this.#link = undefined;
          resolve();
        },
      });
    });
  }

  /** Sends up to so many new messages, as far as its window allows. Returns how many. */
  load(count: number): number {
    if (!this.#ready || this.#retry !== undefined) return 0;
    const room = this.qos === 0 ? count : Math.min(count, windowSize - this.#unacknowledged.size);
    if (room <= 0) return 0;
    const drafts: Draft[] = [];
    for (let at = 0; at < room; at++) drafts.push(this.#next());
    this.#link!.send(drafts);
    return room;
  }

  /** Pulls the plug. */
  disconnect(): void {
    this.#ready = false;
    this.#link?.destroy();
  }

  /** Nothing new goes out before what was refused is on its way again. */
  #retryLater(): void {
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      this.retries++;
      this.#link?.send([...this.#unacknowledged.values()]);
    }, retryPause);
  }

  #next(): Draft {
    const n = ++this.#sent;
    const { id: from, type, qos } = this.#options;
    const draft: Draft = { type, from, msgid: String(n), timestamp: Date.now(), qos, retain: n % retainEvery === 0, payload: loadPayload(from, n) };
    if (qos > 0) this.#unacknowledged.set(n, draft);
    return draft;
  }

  #acked(n: number, offset: number | undefined): void {
    if (!this.#unacknowledged.delete(n)) return; // sent twice, so acknowledged twice
    if (offset !== undefined) this.#offsets[n] = offset;
    this.#onAck?.(n);
  }
}
