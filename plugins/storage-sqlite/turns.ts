/** Lets whatever is done in slices go on in turn, one slice between two looks at what else has come: however many there are, a call waits for one slice. */
export class Turns {
  readonly #waiting: (() => void)[] = [];

  /** Resolves when it is the caller's turn. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#waiting.push(resolve) === 1) this.#arm();
    });
  }

  #arm(): void {
    setImmediate(() => {
      this.#waiting.shift()!();
      if (this.#waiting.length > 0) this.#arm();
    });
  }
}
