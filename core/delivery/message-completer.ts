import type { Clock } from "../clock.ts";
import { completeMessage, createMinter, type Message } from "../envelope.ts";

/** Fills in what a sender left out. The clock is read once per turn of the event loop: reading it costs as much as routing a message. */
export class MessageCompleter {
  readonly #clock: Clock;
  /** One object for all messages. `now`: milliseconds since the Unix epoch, 0 = to be read anew. */
  readonly #defaults = { from: "", now: 0, mint: createMinter() };

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  complete(message: Message, from: string): void {
    const defaults = this.#defaults;
    if (defaults.now === 0) {
      defaults.now = this.#clock.now();
      setImmediate(this.#forgetTime);
    }
    defaults.from = from;
    completeMessage(message, defaults);
  }

  readonly #forgetTime = (): void => void (this.#defaults.now = 0);
}
