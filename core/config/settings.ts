import * as v from "valibot";
import { doorSettings } from "../listener/door-settings.ts";
import { byteSize, duration, integer } from "../schema.ts";
import { signedSettings } from "../session/signed/settings.ts";

/** A field with its default and its description. */
const field = <S extends v.GenericSchema>(schema: S, fallback: v.InferInput<S>, description: string) => v.pipe(v.optional(schema, fallback as never), v.description(description));

/** The `gateway` section of a config: how the kernel itself behaves. */
export const gatewaySchema = v.strictObject({
  log: field(
    v.strictObject({
      level: field(v.picklist(["debug", "info", "warn", "error"]), "info", "Lines below this level are not written. Default info."),
    }),
    {},
    "What goes to the log.",
  ),
  requireTls: field(v.boolean(), true, "Whether a listener beyond this machine has to have TLS, or to say insecure: true. Default true."),
  setupTimeout: field(duration(100, 600_000), "10s", "How long the setup of one plugin may take. Default 10s, 100ms to 10m."),
  shutdownTimeout: field(duration(100, 600_000), "8s", "How long stopping may take before the process ends anyway. Default 8s, 100ms to 10m."),
  dedupeWindow: field(integer(0, 10_000_000), 100_000, "Messages whose sender and msgid are remembered, so that a repeated one goes nowhere. Default 100000, 0 to 10000000."),
  journalHighWater: field(integer(1, 1_000_000), 10_000, "Messages that may wait for the journal before sources are asked to pause. Default 10000, 1 to 1000000."),
  journalBatch: field(integer(1, 10_000), 1_000, "Messages the journal commits at once at the most. Default 1000, 1 to 10000."),
  memoryJournalLimit: field(integer(1, 100_000_000), 100_000, "Messages the in-memory journal keeps while no plugin provides a journal. Default 100000, 1 to 100000000."),
  retainedLimit: field(integer(0, 10_000_000), 100_000, "Topics whose retained message is kept. Default 100000, 0 to 10000000."),
  commandTtl: field(duration(1_000, 30 * 86_400_000), "1h", "How long a command waits for its device when it does not say so itself. Default 1h, 1s to 30d."),
  commandLimit: field(integer(1, 10_000_000), 100_000, "Commands whose state is kept; the oldest finished ones go first; while so many are open, further ones are refused. Default 100000, 1 to 10000000."),
  commandsPerDevice: field(integer(1, 1_000_000), 1_000, "Commands that may be open for one device, one group or all; further ones are refused with OVERLOAD. Default 1000, 1 to 1000000."),
  stateEvery: field(duration(100, 3_600_000), "10s", "How often what steps of routes remember is written to the journal, where it has changed: a gateway that is killed loses so much of it, but for messages of qos 1 and 2. Default 10s, 100ms to 1h."),
  stateLimit: field(byteSize(1024, 256 * 1024 ** 2), "8MiB", "Bytes that may be written so for one route; a larger state is not kept across a restart, and the log says so. Default 8MiB, 1KiB to 256MiB."),
  presenceGrace: field(duration(0, 3_600_000), "10s", "How long after a start a device that was online before may take to come back before it is said to be offline and its last will is published. Default 10s, 0s to 1h."),
  ...signedSettings,
  ...doorSettings,
});

/** The `gateway` section with all defaults filled in: durations in milliseconds, sizes in bytes. */
export type GatewaySettings = v.InferOutput<typeof gatewaySchema>;

/** The settings of a gateway whose config says nothing about it. */
export const defaultSettings: GatewaySettings = v.parse(gatewaySchema, {});
