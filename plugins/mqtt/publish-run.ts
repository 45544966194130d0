import type { BrokerSession } from "./broker-session.ts";
import { verdictOf } from "./reason-code.ts";
import type { Publication, Sender } from "./session-options.ts";

/** How a run publishes. */
export interface RunOptions {
  /** Publishes unacknowledged at once. */
  readonly window: number;
  /** Bytes of the longest packet that may be sent; a longer one counts as refused with 0x95. */
  readonly longest: number;
}

/** Publishes a list over one session, in order, with a window of unacknowledged ones. It sends no more once the broker asks to try again later. */
export class PublishRun implements Sender {
  readonly #session: BrokerSession;
  readonly #options: RunOptions;
  #publications: readonly Publication[] = [];
  #codes: (number | undefined)[] = [];
  #next = 0;
  #settled = 0;
  #stopped = false;
  #resolve!: () => void;
  /** The code with which the broker asked to try again later. */
  refusal: number | undefined;

  constructor(session: BrokerSession, options: RunOptions) {
    this.#session = session;
    this.#options = options;
  }

  /** How many the broker has answered. */
  get settled(): number {
    return this.#settled;
  }

  /** Places of those that were sent and not answered. */
  get unsettled(): readonly number[] {
    const places: number[] = [];
    for (let at = 0; at < this.#next; at++) if (this.#codes[at] === undefined) places.push(at);
    return places;
  }

  /** Resolves with the reason code of each publication, undefined where there is none: the connection ended first, or it was not sent. */
  async send(publications: readonly Publication[]): Promise<readonly (number | undefined)[]> {
    this.#publications = publications;
    this.#codes = new Array<undefined>(publications.length).fill(undefined);
    const done = new Promise<void>((resolve) => (this.#resolve = resolve));
    const detach = this.#session.attach(this);
    this.#fill();
    await done;
    detach();
    return this.#codes;
  }

  /** Gives up waiting. */
  stop(): void {
    this.#stopped = true;
    this.#resolve();
  }

  answered(token: number, code: number): void {
    if (this.#stopped) return;
    this.#settle(token, code);
    this.#fill();
  }

  ended(): void {
    this.stop();
  }

  #fill(): void {
    const { window, longest } = this.#options;
    while (!this.#stopped && this.refusal === undefined && this.#next < this.#publications.length && this.#next - this.#settled < window) {
      const token = this.#next++;
      if (!this.#session.publish(this.#publications[token]!, { token, sender: this, longest })) this.#settle(token, 0x95);
    }
    if (this.#settled === this.#next && (this.refusal !== undefined || this.#next === this.#publications.length)) this.#resolve();
  }

  #settle(token: number, code: number): void {
    this.#codes[token] = code;
    this.#settled++;
    if (verdictOf(code).startsWith("retry")) this.refusal = code;
  }
}
