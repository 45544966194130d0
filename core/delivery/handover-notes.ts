import { createMessage, type Envelope } from "../envelope.ts";
import { gatewayId } from "../topic.ts";
import { NoteBatch } from "./note-batch.ts";
import type { PostOffice } from "./post-office.ts";

/** That a command goes to a device: one item of a note. */
export interface Handed {
  /** Who gave the command. */
  readonly from: string;
  readonly msgid: string;
  readonly device: string;
  /** The device's protocol knows no answers: it must not get the command again, whatever happens. */
  readonly final?: true;
}

const noteType = "command-sent";

/**
 * Notes in the journal, on `command-sent/gateway`, which commands were handed to which devices, so that it is known after a crash too. Those of one turn of the event loop
 * share a message.
 */
export class HandoverNotes {
  readonly #batch: NoteBatch<Handed>;

  constructor(office: PostOffice) {
    this.#batch = new NoteBatch((commands, done) => {
      const message = createMessage({ type: noteType, from: gatewayId, payload: { commands } });
      office.complete(message, gatewayId);
      office.deliver(message, done);
    });
  }

  /** Notes it; `done` is called when that is in the journal, or with the error when it is not. */
  add(handed: Handed, done: (error: unknown) => void): void {
    this.#batch.add(handed, done);
  }
}

/** Whether that is a note of the gateway. */
export function isHandoverNote(message: Envelope): boolean {
  return message.type === noteType && message.from === gatewayId;
}

/** What a note says. */
export function readHandoverNote({ payload }: Envelope): readonly Handed[] {
  const items = typeof payload === "object" && payload !== null && "commands" in payload ? payload.commands : undefined;
  return Array.isArray(items) ? (items as Handed[]) : [];
}
