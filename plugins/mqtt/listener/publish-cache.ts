import { Slab, type Message } from "@busbar/core";
import { writePublish, type PublishForm } from "./write-packet.ts";

/** Encodes PUBLISH packets for all connections of a listener: one of QoS 0 is the same bytes for everybody, made once. */
export class PublishCache {
  readonly #slab = new Slab();
  #message: Message | undefined;
  #retain = false;
  #bytes: Uint8Array = new Uint8Array(0);

  /** The message at QoS 0, on its own topic. */
  plain(message: Message, retain: boolean): Uint8Array {
    if (message === this.#message && retain === this.#retain) return this.#bytes;
    this.#bytes = this.write(message, { topic: message.topic, qos: 0, id: 0, dup: false, retain });
    this.#message = message;
    this.#retain = retain;
    return this.#bytes;
  }

  write(message: Message, form: PublishForm): Uint8Array {
    return writePublish(message, form, this.#slab);
  }
}
