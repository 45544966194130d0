import type { Outgoing, Receipt } from "./envelope.ts";
import { quiet } from "./quiet.ts";

/** Keeps messages in the order in which they were published while some of them are being sealed, which takes a while. */
export class PublishOrder {
  readonly #add: (message: Outgoing) => Promise<Receipt>;
  #last: Promise<void> | undefined;

  /** `add` takes each message when its turn has come. */
  constructor(add: (message: Outgoing) => Promise<Receipt>) {
    this.#add = add;
  }

  /** Resolves when everything so far was handed on, or could not be sealed. */
  get settled(): Promise<void> {
    return this.#last ?? Promise.resolve();
  }

  /** Hands a message on: at once, or behind those that are not ready yet. */
  enter(message: Outgoing | Promise<Outgoing>): Promise<Receipt> {
    if (this.#last === undefined && !(message instanceof Promise)) return this.#add(message);
    if (message instanceof Promise) quiet(message); // it may fail before its turn comes
    const entered = this.settled.then(() => message).then((ready) => ({ receipt: this.#add(ready) }));
    const last = entered.then(() => {}, () => {}).then(() => {
      if (this.#last === last) this.#last = undefined;
    });
    this.#last = last;
    return quiet(entered.then(({ receipt }) => receipt));
  }
}
