import { duration, integer } from "@busbar/core";
import * as v from "valibot";
import { arraySchema, methodSchema, structureSchema } from "./machine-parts.ts";
import { signalSchema } from "./signal-schema.ts";

/** What a value is. All are kept as numbers inside: a bool as 0 or 1, a string as its place in `levels`. */
export const tagKinds = ["float", "int", "bool", "string"] as const;

/** A value as it is read and written from outside. */
export type TagValue = number | boolean | string;

const number = v.pipe(v.number(), v.finite());
const name = v.pipe(v.string(), v.regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/, "a name is 1-64 of A-Z a-z 0-9 _ -"));
const machineId = v.pipe(
  v.string(),
  v.maxLength(128),
  v.regex(/^(?!(server|all|group)(\/|$))[A-Za-z0-9._:@-]+(\/[A-Za-z0-9._:@-]+)*$/, "an id is levels of A-Z a-z 0-9 . _ : @ - joined by /, and not server, all or group"),
);
const title = v.optional(v.pipe(v.string(), v.maxLength(128)), "");

/**
 * When a tag is in alarm: at or above `high` or `highHigh`, at or below `low` or `lowLow`; a bool when it is `when`. It is over when the
 * value is back by more than `hysteresis` (in the tag's unit).
 */
export const alarmSchema = v.strictObject({
  highHigh: v.optional(number),
  high: v.optional(number),
  low: v.optional(number),
  lowLow: v.optional(number),
  when: v.optional(v.boolean()),
  hysteresis: v.optional(v.pipe(v.number(), v.minValue(0), v.finite()), 0),
});

/** One tag as data. */
export const tagSchema = v.strictObject({
  name,
  /** The engineering unit as people write it, such as `°C`, `bar`, `l/min`; empty for none. */
  unit: v.optional(v.pipe(v.string(), v.maxLength(32)), ""),
  kind: v.optional(v.picklist(tagKinds), "float"),
  /** Lowest and highest value, for float and int. An int lies within 32 bits. */
  range: v.optional(v.tuple([number, number]), [0, 100]),
  /** Digits after the point of a float that is not a set point; the default keeps about four digits of the range. */
  decimals: v.optional(integer(0, 9)),
  /** The time between two new values, 1 ms to a day; default: a new one with each step. */
  every: v.optional(duration(1, 86_400_000)),
  signal: signalSchema,
  /** Stands in a config to say it aloud: exactly the tags with a `setpoint` signal can be written. */
  writable: v.optional(v.boolean()),
  alarm: v.optional(alarmSchema),
});

/** A machine: an id that is its `from` on the bus, and its tags. */
export const machineSchema = v.strictObject({
  id: machineId,
  title,
  /** The time between two status messages, 1 ms to a day, and between two values of tags that say nothing else; default: each step. */
  every: v.optional(duration(1, 86_400_000)),
  tags: v.pipe(v.array(tagSchema), v.minLength(1), v.maxLength(10_000)),
  /** What it can be told to do. */
  methods: v.optional(v.pipe(v.array(methodSchema), v.maxLength(100)), []),
  /** Tags that are shown as one array besides. */
  arrays: v.optional(v.pipe(v.array(arraySchema), v.maxLength(1_000)), []),
  /** Tags that are shown as one structure besides. */
  structures: v.optional(v.pipe(v.array(structureSchema), v.maxLength(1_000)), []),
});

/** A smart-home device. A `lamp` has `on` and `brightness` (0-100 %), a `fan` has `on` and `speed` (0 to `speeds`). */
export const deviceSchema = v.variant("kind", [
  v.strictObject({ kind: v.literal("lamp"), id: machineId, title, watts: v.optional(v.pipe(v.number(), v.minValue(0.1), v.maxValue(10_000)), 9) }),
  v.strictObject({ kind: v.literal("fan"), id: machineId, title, speeds: v.optional(integer(1, 100), 3) }),
]);

/** Most machines and devices of one plant: each has a Modbus unit id of its own (Modbus Serial Line V1.02 §2.2: 1-247). */
export const maxMachines = 247;

/** A plant as data. `compilePlant` checks what one field cannot say about itself. */
export const plantSchema = v.strictObject({
  machines: v.optional(v.pipe(v.array(machineSchema), v.maxLength(maxMachines)), []),
  devices: v.optional(v.pipe(v.array(deviceSchema), v.maxLength(maxMachines)), []),
});

/** The short form for load: `machines` equal machines of `tags` tags each, ids `sim-001`, `sim-002`, … */
export const fleetSchema = v.strictObject({
  machines: v.optional(integer(1, 200), 10),
  tags: v.optional(integer(1, 10_000), 100),
  /** What its ids begin with: 1-32 of A-Z a-z 0-9 _ -. */
  prefix: v.optional(v.pipe(v.string(), v.regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/, "a prefix is 1-32 of A-Z a-z 0-9 _ -")), "sim"),
  /** As `every` of a machine. */
  every: v.optional(duration(1, 86_400_000)),
});

/** A plant as it is written down. */
export type PlantData = v.InferInput<typeof plantSchema>;
/** A plant with all its defaults filled in. */
export type PlantSpec = v.InferOutput<typeof plantSchema>;
/** A machine with all its defaults filled in. */
export type MachineSpec = v.InferOutput<typeof machineSchema>;
/** A device with all its defaults filled in. */
export type DeviceSpec = v.InferOutput<typeof deviceSchema>;
/** A tag with all its defaults filled in. */
export type TagSpec = v.InferOutput<typeof tagSchema>;
/** When a tag is in alarm. */
export type AlarmSpec = v.InferOutput<typeof alarmSchema>;
/** A fleet with all its defaults filled in. */
export type FleetSpec = v.InferOutput<typeof fleetSchema>;
