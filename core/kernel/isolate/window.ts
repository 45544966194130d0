import { BusbarError } from "../../errors.ts";
import type { BorderMessage } from "./batch.ts";
import type { Link } from "./link.ts";

/** How much a plugin in an isolate may have on its way into the gateway: messages, and bytes of their bodies. */
export const windowSize = { messages: 1024, bytes: 4 * 1024 ** 2 } as const;

/** Messages that may wait in the isolate for the window to open; more are refused. */
const waitingLimit = 100_000;

/** What an isolate may send before the gateway has taken what came before: the rest waits in the isolate, in order. */
export class Window {
  readonly #link: Link;
  #messages = 0;
  #bytes = 0;
  readonly #waiting: BorderMessage[] = [];
  #first = 0;
  readonly #ready = new Set<() => void>();

  constructor(link: Link) {
    this.#link = link;
  }

  /** Whether the source may go on. */
  get open(): boolean {
    return this.#first === this.#waiting.length && this.#messages < windowSize.messages && this.#bytes < windowSize.bytes;
  }

  /** Sends, or keeps until there is room. @throws {BusbarError} OVERLOAD when too much waits already. */
  send(head: readonly unknown[], body: Uint8Array): void {
    if (this.open) return this.#go(head, body);
    if (this.#waiting.length - this.#first >= waitingLimit) throw new BusbarError("OVERLOAD", `Cannot publish: ${waitingLimit} messages wait for the gateway already`);
    this.#waiting.push({ head, body });
  }

  /** The gateway has taken so much. */
  taken(messages: number, bytes: number): void {
    this.#messages -= messages;
    this.#bytes -= bytes;
    while (this.#first < this.#waiting.length && this.#messages < windowSize.messages && this.#bytes < windowSize.bytes) {
      const { head, body } = this.#waiting[this.#first++]!;
      this.#go(head, body);
    }
    if (this.#first > 1000 && this.#first * 2 > this.#waiting.length) {
      this.#waiting.splice(0, this.#first);
      this.#first = 0;
    }
    if (this.open) for (const go of [...this.#ready]) go();
  }

  /** Resolves when the source may go on. @throws the signal's reason when it aborts first. */
  ready(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason);
    if (this.open) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        this.#ready.delete(go);
        signal.removeEventListener("abort", stop);
        settle();
      };
      const go = (): void => end(resolve);
      const stop = (): void => end(() => reject(signal.reason));
      this.#ready.add(go);
      signal.addEventListener("abort", stop, { once: true });
    });
  }

  #go(head: readonly unknown[], body: Uint8Array): void {
    this.#messages++;
    this.#bytes += body.length;
    this.#link.send(head, body);
  }
}
