import type { Framing } from "../codec.ts";
import { Slab } from "../codec/slab.ts";

/** Puts the framing around payloads for all connections of a listener: the same frame again for the very same bytes, so a message that goes to many is framed once. */
export class Framer {
  readonly #framing: Framing;
  readonly #slab = new Slab();
  #payload: Uint8Array | undefined;
  #frame: Uint8Array = new Uint8Array(0);

  constructor(framing: Framing) {
    this.#framing = framing;
  }

  frame(payload: Uint8Array): Uint8Array {
    if (payload === this.#payload) return this.#frame;
    this.#payload = payload;
    return (this.#frame = this.#framing.frame(payload, this.#slab));
  }
}
