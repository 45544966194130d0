import { duration, integer, portNumber } from "@busbar/core";
import * as v from "valibot";
import { modbusTables } from "./modbus-bank.ts";

const field = <S extends v.GenericSchema>(schema: S, description: string) => v.optional(v.pipe(schema, v.description(description)));
const given = <S extends v.GenericSchema>(schema: S, fallback: v.InferInput<S>, description: string) => v.pipe(v.optional(schema, fallback as never), v.description(description));

const life = { for: field(duration(1, 604_800_000), "How long it lasts, 1ms to 7d. Default: until it is cleared.") };
const wire = {
  ...life,
  protocol: field(v.picklist(["modbus", "opcua"]), "Which of the servers has it. Default: both."),
  port: field(portNumber(), "TCP port of the listener that has it. Default: every one."),
};
const part = {
  ...life,
  machine: field(v.pipe(v.string(), v.maxLength(128)), "Id of the machine or device that has it. Default: all."),
  tag: field(v.pipe(v.string(), v.maxLength(64)), "Name of the tag that has it. Default: all of the machine."),
};
const modbusRequest = {
  ...life,
  protocol: field(v.literal("modbus"), "It is a fault of Modbus."),
  port: wire.port,
  machine: field(v.pipe(v.string(), v.maxLength(128)), "Id of the machine that has it. Default: all."),
  unit: field(integer(0, 255), "Modbus unit id that has it. Default: all."),
  functions: field(v.pipe(v.array(integer(1, 127)), v.minLength(1), v.maxLength(127)), "Modbus functions that have it. Default: all."),
  table: field(v.picklist(modbusTables), "Modbus table that has it. Default: all."),
  addresses: field(v.pipe(v.tuple([integer(0, 65_535), integer(0, 65_535)]), v.check(([from, to]) => from <= to, "the first address must not be above the last")), "First and last address, counted from 0: requests that touch one of them have it. Default: all."),
  count: field(integer(1, 1_000_000_000), "How many requests it strikes before it is over. Default: no limit."),
  share: given(v.pipe(v.number(), v.minValue(0), v.maxValue(1)), 1, "Share of the requests that it strikes, drawn, 0 to 1. Default 1."),
};
/** Narrowed to requests of Modbus by `unit`, `machine`, `functions`, `table`, `addresses`, `count` or `share`; without one of them a fault of connections, of OPC UA too. */
const anyRequest = { ...modbusRequest, protocol: wire.protocol };
const delay = (fallback: number) => given(duration(0, 600_000), fallback, `How much later the answer comes, 0 to 10m. Default ${fallback}ms.`);

/** A duration with a sign: milliseconds, or text such as "-1h". */
const signedDuration = v.pipe(
  v.union([v.number(), v.string()], "must be a duration with a sign, such as \"-1h\""),
  v.transform((value) => {
    const text = String(value);
    const back = text.startsWith("-");
    const size = v.safeParse(duration(0), typeof value === "number" ? Math.abs(value) : text.replace(/^[+-]/, ""));
    return size.success ? (back ? -size.output : size.output) : Number.NaN;
  }),
  v.check((value) => Number.isFinite(value), "must be a duration with a sign, such as \"-1h\""),
);

/** What each kind of fault is made of, besides its name. */
const kinds = {
  "no-answer": anyRequest,
  slow: { ...anyRequest, delay: delay(1_000) },
  exception: { ...modbusRequest, code: given(integer(1, 255), 4, "Modbus exception code, 1 to 255. Default 4, server device failure."), delay: delay(0) },
  drop: { ...anyRequest, within: given(v.boolean(), false, "Whether half of the answer is sent first. Default false.") },
  "short-frame": {
    ...modbusRequest,
    missing: given(integer(1, 252), 2, "Bytes that are cut off the end, 1 to 252; the function code stays. Default 2."),
    header: given(v.boolean(), true, "Whether the length in the header is that of what is sent; else the client waits for the rest. Default true."),
  },
  "wrong-transaction": modbusRequest,
  "wrong-unit": modbusRequest,
  garbage: anyRequest,
  refuse: wire,
  restart: { ...wire, for: given(duration(1, 604_800_000), 1_000, "How long the server is gone, 1ms to 7d. Default 1s.") },
  "bad-quality": { ...part, code: given(v.pipe(v.string(), v.regex(/^(Bad|Uncertain)[A-Za-z0-9]{0,60}$/, "must be the name of an OPC UA StatusCode that begins with Bad or Uncertain")), "Bad", "OPC UA StatusCode by name, Bad… or Uncertain…. Default Bad.") },
  stuck: part,
  "clock-jump": { ...part, by: v.pipe(signedDuration, v.description("By how much the source's time jumps, such as 1h or -1h.")) },
  "namespace-change": life,
  "certificate-change": life,
} as const;

function variantOf<const E extends v.ObjectEntries>(more: E) {
  const option = <K extends keyof typeof kinds>(kind: K) => v.strictObject({ kind: v.literal(kind), ...kinds[kind], ...more });
  return v.variant("kind", [
    option("no-answer"),
    option("slow"),
    option("exception"),
    option("drop"),
    option("short-frame"),
    option("wrong-transaction"),
    option("wrong-unit"),
    option("garbage"),
    option("refuse"),
    option("restart"),
    option("bad-quality"),
    option("stuck"),
    option("clock-jump"),
    option("namespace-change"),
    option("certificate-change"),
  ]);
}

/** A fault as data: what goes wrong, where, and for how long. The README has a table of the kinds. */
export const faultSchema = variantOf({});

/** A fault of a script: when it begins, counted from the start of the plant. */
export const scriptedFaultSchema = variantOf({
  at: given(duration(0, 604_800_000), 0, "When it begins, counted from the start, 0 to 7d. Default 0."),
  every: field(duration(10, 604_800_000), "How often it comes back, 10ms to 7d. Default: once."),
});

/** A fault as it is written down. */
export type FaultInput = v.InferInput<typeof faultSchema>;
/** A fault with all its defaults filled in. */
export type Fault = v.InferOutput<typeof faultSchema>;
/** A fault of one kind, or of several. */
export type FaultOf<K extends Fault["kind"]> = Extract<Fault, { kind: K }>;
/** A fault of a script with all its defaults filled in. */
export type ScriptedFault = v.InferOutput<typeof scriptedFaultSchema>;
