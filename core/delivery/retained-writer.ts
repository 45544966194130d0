import type { Envelope, Message } from "../envelope.ts";
import { matches } from "../topic.ts";
import type { JournalWriter } from "./journal-writer.ts";
import type { MessageLedger } from "./message-ledger.ts";
import type { RetainedValues } from "./retained-values.ts";

/** What it works with. */
export interface RetainedWriterOptions {
  readonly values: RetainedValues;
  readonly ledger: MessageLedger;
  /** Messages that may be put off. */
  readonly limit: number;
}

/**
 * Writes retained messages of qos 0, whose sender has gone on and which are values already. While the journal refuses they are put off, the last one of each topic, and written
 * when it takes messages again.
 */
export class RetainedWriter {
  readonly #options: RetainedWriterOptions;
  readonly #putOff = new Map<string, Message>();

  constructor(options: RetainedWriterOptions) {
    this.#options = options;
  }

  /** Messages that are put off. */
  get size(): number {
    return this.#putOff.size;
  }

  write(message: Message, writer: JournalWriter): void {
    if (writer.refusal !== undefined) return this.#putOffUntilRecovery(message);
    const { values, ledger } = this.#options;
    writer.write(message, (error) => {
      if (error === undefined) return;
      if (writer.refusal !== undefined && values.isPending(message)) return this.#putOffUntilRecovery(message);
      values.lost(message);
      ledger.dropped(writer.refusal === undefined ? "journal" : "superseded");
    }, true);
  }

  /** What is put off of matching topics. */
  putOff(pattern: string): readonly Message[] {
    return [...this.#putOff.values()].filter(({ topic }) => matches(pattern, topic));
  }

  /** The journal takes messages again: writes as much as it has room for. Called once more whenever some of it is written. */
  resume(writer: JournalWriter): void {
    for (const message of this.#putOff.values()) {
      if (writer.behind || writer.refusal !== undefined) return;
      this.#putOff.delete(message.topic);
      this.write(message, writer);
    }
  }

  /** Writes what was put off of a topic, before a newer message of it is written. */
  writeFirst(topic: string, writer: JournalWriter): void {
    const message = this.#putOff.get(topic);
    if (message === undefined || writer.refusal !== undefined) return;
    this.#putOff.delete(topic);
    this.write(message, writer);
  }

  /** The journal turns out to hold a message whose commit it had not answered. Gives the message as it was put off, or the one that was read. */
  found(message: Envelope): Envelope {
    const putOff = this.#putOff.get(message.topic);
    if (putOff === undefined || putOff === message || putOff.msgid !== message.msgid || putOff.from !== message.from) return message;
    this.#putOff.delete(message.topic);
    this.#options.ledger.stored.value++;
    return putOff;
  }

  /** Nothing is written any more. */
  close(): void {
    for (let left = this.#putOff.size; left > 0; left--) this.#options.ledger.dropped("journal");
    this.#putOff.clear();
  }

  #putOffUntilRecovery(message: Message): void {
    const { values, ledger, limit } = this.#options;
    if (this.#putOff.has(message.topic)) ledger.dropped("superseded");
    else if (this.#putOff.size >= limit) {
      values.lost(message);
      return ledger.dropped("journal");
    }
    this.#putOff.set(message.topic, message);
  }
}
