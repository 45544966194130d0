import type { ConsumeOptions, Delivery } from "../../bus.ts";
import type { Draft } from "../../envelope.ts";
import type { Entry, Journal } from "../../journal.ts";
import { createLog, type LogRecord } from "../../log.ts";
import { createMemoryJournal } from "../../memory-journal.ts";
import { MetricsRegistry } from "../../metrics.ts";
import { fakeClock, type FakeClock } from "../../testkit/fake-clock.ts";
import { journalMessage } from "../../testkit/journal-message.ts";
import { DeadLetterBox } from "../dead-letter-box.ts";
import { DurableReader } from "./durable-reader.ts";

/** A batch as the handler of a test got it. */
export interface Handed {
  readonly lane: string;
  readonly late: boolean;
  readonly attempt: number;
  readonly payloads: readonly unknown[];
  /** When, ms since the start of the test. */
  readonly at: number;
}

/** A durable reader of a test and what is around it. */
export interface ReaderUnderTest {
  readonly journal: Journal;
  readonly clock: FakeClock;
  readonly log: readonly LogRecord[];
  readonly handed: Handed[];
  /** The payloads of the batches that were handed over, in order. */
  readonly batches: readonly (readonly unknown[])[];
  /** What the handler does after a batch was noted; default: takes it. */
  behave: (batch: readonly Entry[], delivery: Delivery) => void | Promise<void>;
  /** Makes a reader named "sink/main"; it may see the journal in its own way. */
  start(pattern?: string | readonly string[], options?: ConsumeOptions & { readonly journal?: Journal }): DurableReader;
  /** Appends messages that arrive now, and tells every reader. */
  add(...drafts: readonly Partial<Draft>[]): Promise<void>;
  /** Lets everything that is ready run. */
  settle(): Promise<void>;
  /** The value of a series of the metrics; undefined when there is none. */
  metric(series: string): number | undefined;
  /** Ends every reader. */
  close(): Promise<void>;
}

/** Sets up a journal and a clock for durable readers. */
export function readerUnderTest(journal: Journal = createMemoryJournal()): ReaderUnderTest {
  const clock = fakeClock();
  const began = clock.now();
  const metrics = new MetricsRegistry();
  const log: LogRecord[] = [];
  const readers: DurableReader[] = [];
  const output = createLog({ level: "debug", clock, write: (record) => log.push(record) });
  const letters = new DeadLetterBox({
    async deliver(draft) {
      await subject.add(draft);
      return { offset: subject.journal.bounds().last, duplicate: false, msgid: draft.msgid ?? "" };
    },
    log: output, metrics,
  });
  const subject: ReaderUnderTest = {
    journal, clock, log,
    handed: [],
    get batches() {
      return subject.handed.map(({ payloads }) => payloads);
    },
    behave: () => {},
    start(pattern = "#", options = {}) {
      const handler = async (batch: readonly Entry[], delivery: Delivery): Promise<void> => {
        const { lane, late, attempt } = delivery;
        subject.handed.push({ lane, late, attempt, payloads: batch.map(({ message }) => message.payload), at: clock.now() - began });
        await subject.behave(batch, delivery);
      };
      const reader = new DurableReader("sink/main", pattern, { journal, clock, metrics, letters, log: output, last: () => subject.journal.bounds().last, ...options, handler });
      readers.push(reader);
      return reader;
    },
    async add(...drafts) {
      const messages = drafts.map((draft) => journalMessage({ type: "status", ...draft }, clock.now()));
      const first = await subject.journal.append(messages);
      for (const [at, message] of messages.entries()) for (const reader of readers) reader.notify(message, first + at);
    },
    settle: () => clock.advance(0).then(() => clock.advance(0)),
    metric(series) {
      const line = metrics.format().split("\n").find((one) => one.startsWith(series + " "));
      return line === undefined ? undefined : Number(line.slice(series.length + 1));
    },
    async close() {
      for (const reader of readers) reader.close();
      await Promise.all(readers.map((reader) => reader.ended));
    },
  };
  return subject;
}

/** So many drafts with the payloads `from`, `from` + 1, … */
export function drafts(from: number, count: number, more: Partial<Draft> = {}): Partial<Draft>[] {
  return Array.from({ length: count }, (_, at) => ({ payload: from + at, ...more }));
}
