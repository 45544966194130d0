import { NoteBatch } from "../../delivery/note-batch.ts";
import type { PostOffice } from "../../delivery/post-office.ts";
import { createMessage, type Envelope, type Message } from "../../envelope.ts";
import { gatewayId, nonceType } from "../../topic.ts";
import type { Nonce } from "./seen-nonces.ts";

/** That a nonce was used: one item of a note. */
export interface NonceNote extends Nonce {
  /** Of a message of qos 1 or 2. */
  readonly msgid?: string | undefined;
  /** Where that stands in the journal, where it stood there before. */
  readonly offset?: number | undefined;
  /** Else by how many places it stands before the note, in the same transaction. */
  readonly back?: number | undefined;
}

/**
 * Notes in the journal, on `nonce-seen/gateway`, which nonces were used, so that it is known after a crash, too. A message of qos 1 or 2 and the note about it are in one transaction: `companion`.
 * Where there is no such message the note comes first: `add`; those of one turn of the event loop share a note.
 */
export class NonceNotes {
  readonly #office: PostOffice;
  /** Of messages that wait for the journal. */
  readonly #with = new Map<Message, NonceNote>();
  readonly #batch: NoteBatch<NonceNote>;

  constructor(office: PostOffice) {
    this.#office = office;
    this.#batch = new NoteBatch((items, done) => office.deliver(this.#make(items), done));
  }

  /** From now on the message must not get into the journal without this note. */
  attach(message: Message, note: NonceNote): void {
    this.#with.set(message, note);
  }

  /** The message is in the journal, or will not be. */
  detach(message: Message): void {
    this.#with.delete(message);
  }

  /** What has to be in the journal with these messages, behind them; undefined where that is nothing. */
  companion(batch: readonly Message[]): Message | undefined {
    if (this.#with.size === 0) return undefined;
    const items: NonceNote[] = [];
    batch.forEach((message, at) => {
      const note = this.#with.get(message);
      if (note) items.push({ ...note, back: batch.length - at });
    });
    return items.length === 0 ? undefined : this.#make(items);
  }

  /** Notes it; `done` is called when that is in the journal, or with the error when it is not. */
  add(note: NonceNote, done: (error: unknown) => void): void {
    this.#batch.add(note, done);
  }

  #make(seen: readonly NonceNote[]): Message {
    const message = createMessage({ type: nonceType, from: gatewayId, payload: { seen } });
    this.#office.complete(message, gatewayId);
    return message;
  }
}

/** What a note says; nothing where it is none of the gateway's. */
export function readNonceNote({ from, payload }: Envelope): readonly NonceNote[] {
  const items = from === gatewayId && typeof payload === "object" && payload !== null && "seen" in payload ? payload.seen : undefined;
  return Array.isArray(items) ? (items as NonceNote[]) : [];
}
