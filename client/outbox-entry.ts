import type { ClientError } from "./client-error.ts";
import type { Outgoing, Receipt } from "./envelope.ts";
import { quiet } from "./quiet.ts";

/** A message in an outbox. */
export interface Entry {
  readonly message: Outgoing;
  /** What it counts for against the bound of the buffer, in bytes. */
  readonly size: number;
  /** Under which the store has it. */
  readonly key: string;
  /** Sent only when it is in the store: what the gateway may have seen is what a restart sends again. */
  stored: boolean;
  /** Acknowledged, or given up. */
  over: boolean;
  readonly done: Promise<Receipt>;
  readonly resolve: (receipt: Receipt) => void;
  readonly reject: (error: ClientError) => void;
}

/** Counted for each message besides its payload. */
const overhead = 100;

/** What a message counts for, in bytes. */
export function sizeOf({ payload }: Outgoing): number {
  return payload.length + overhead;
}

/** Makes one. `key`: under which the store has it; `stored`: whether it has it already, or need not have it. */
export function createEntry(message: Outgoing, { key, stored }: { readonly key: string; readonly stored: boolean }): Entry {
  const { promise, resolve, reject } = Promise.withResolvers<Receipt>();
  return { message, size: sizeOf(message), key, stored, over: false, done: quiet(promise), resolve, reject };
}
