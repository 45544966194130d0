import { byteSize, defineStep, duration, integer, type StepMessage } from "@busbar/core";
import * as v from "valibot";
import { baseOf, loadBase, type MessageBase } from "./message-base.ts";
import { loadSample, samplesOf, withSamples, type Sample } from "./samples.ts";

/** What has gathered of one topic. */
interface Batch {
  base: MessageBase;
  samples: Sample[];
  /** How many messages they came in, and about how many bytes the payload will have. */
  messages: number;
  bytes: number;
  /** Who sent them, under which msgid: what the batch's own msgid is made of. */
  sources: string[];
  cancel: () => void;
}

/** Bytes of a reading besides tag, value and unit: the names of its fields. */
const frame = 80;

/**
 * `batch`: gathers the readings of a topic and sends them as one message, in order of their times, each with its own: when so many messages or bytes have gathered, or so long after the first. The batch has the
 * highest qos of its messages, and is retained when the last of them was. Its msgid follows from theirs, so that the same batch is delivered once. Messages without readings pass at once.
 */
export const batchStep = defineStep({
  description: "Gathers readings of a topic into one message",
  config: v.strictObject({
    count: v.pipe(v.optional(integer(1, 10_000), 100), v.description("Messages that make a batch. Default 100, 1 to 10000.")),
    bytes: v.pipe(v.optional(byteSize(1, 1024 ** 2), "64KiB"), v.description("Bytes of payload, about, that make a batch. Default 64KiB, 1 B to 1MiB.")),
    every: v.pipe(v.optional(duration(1, 86_400_000), "1s"), v.description("How long after its first message a batch goes at the latest. Default 1s, 1ms to 1d.")),
    topics: v.pipe(v.optional(integer(1, 100_000), 1_000), v.description("Topics that may gather at once; of one beyond that messages pass as they are. Default 1000, 1 to 100000.")),
  }),
  create({ count, bytes, every, topics }, context) {
    const { clock } = context;
    const batches = new Map<string, Batch>();

    const open = (base: MessageBase): Batch => ({ base, samples: [], messages: 0, bytes: 0, sources: [], cancel: clock.after(every, () => send(base.topic)) });
    const send = (topic: string): void => {
      const batch = batches.get(topic);
      if (batch === undefined) return;
      batches.delete(topic);
      batch.cancel();
      const samples = batch.samples.toSorted((one, other) => one.time - other.time);
      context.emit(withSamples({ ...batch.base, timestamp: 0, payload: null, msgid: context.msgid("batch", topic, ...batch.sources) }, samples));
    };
    const add = (batch: Batch, message: StepMessage, samples: readonly Sample[]): void => {
      const base = baseOf(message, batch.base);
      batch.base = base.qos >= batch.base.qos ? base : { ...base, qos: batch.base.qos };
      batch.messages++;
      batch.sources.push(`${message.from}\n${message.msgid ?? ""}`);
      for (const sample of samples) {
        batch.samples.push(sample);
        batch.bytes += sizeOf(sample);
      }
    };

    const kept = context.keep(() => [...batches.values()].map(({ base, samples, messages, sources }) => [base, samples, messages, sources]));
    for (const { base, samples, messages, sources } of loadBatches(kept?.state)) {
      batches.set(base.topic, { ...open(base), samples, messages, sources, bytes: samples.reduce((sum, sample) => sum + sizeOf(sample), 0) });
    }

    return (message, emit) => {
      const samples = samplesOf(message);
      let batch = batches.get(message.topic);
      if (samples.length === 0 || (batch === undefined && batches.size >= topics)) {
        if (samples.length > 0) context.count("too-many-topics");
        return emit(message);
      }
      if (batch === undefined) batches.set(message.topic, (batch = open(baseOf(message))));
      add(batch, message, samples);
      if (batch.messages >= count || batch.bytes >= bytes) send(message.topic);
    };
  },
});

/** About how many bytes a reading takes. */
function sizeOf({ tag, value, unit, code }: Sample): number {
  return frame + tag.length + (unit?.length ?? 0) + (code?.length ?? 0) + (typeof value === "string" ? value.length : 12);
}

const savedSchema = v.array(v.tuple([v.unknown(), v.array(v.unknown()), v.number(), v.array(v.string())]));

function loadBatches(saved: unknown): { base: MessageBase; samples: Sample[]; messages: number; sources: string[] }[] {
  const parsed = v.safeParse(savedSchema, saved ?? []);
  if (!parsed.success) return [];
  return parsed.output.flatMap(([savedBase, list, messages, sources]) => {
    const base = loadBase(savedBase);
    return base ? [{ base, samples: list.flatMap((one) => loadSample(one) ?? []), messages, sources }] : [];
  });
}
