import type { Clock } from "../clock.ts";
import type { Envelope, Message } from "../envelope.ts";
import type { Journal } from "../journal.ts";
import type { Log } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { MessageLedger } from "./message-ledger.ts";
import type { JournalRefusal } from "./outage.ts";

/** How the writer works. */
export interface JournalWriterOptions {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly ledger: MessageLedger;
  /** Messages that may wait before sources are asked to pause. */
  readonly highWater: number;
  /** Messages committed at once at the most. */
  readonly batch: number;
  /** Messages remembered for deduplication. */
  readonly dedupeWindow: number;
  /** Hands a committed message to its live subscribers. */
  readonly dispatch: (message: Envelope, offset: number) => void;
  /** Is told of each message that only had to be kept. */
  readonly kept: (message: Envelope, offset: number) => void;
  /** Makes the message whose commit shows that the journal takes messages again. */
  readonly probe: (refusal: JournalRefusal) => Message;
  /** Is told that it does, before the sources are. */
  readonly recovered: () => void;
  /** Makes what has to be committed together with a batch, behind it; undefined = nothing. */
  readonly companion?: ((batch: readonly Message[]) => Message | undefined) | undefined;
}
