import { duration, field, idText, integer, option, portNumber, writesField } from "@busbar/core";
import * as v from "valibot";
import { deviceSchema } from "./device-schema.ts";

const serial = v.strictObject({
  path: v.pipe(v.string(), v.minLength(1), v.maxLength(4096), v.description("Device file of the line, such as /dev/ttyUSB0, or COM3.")),
  baudRate: field(integer(50, 4_000_000), 19_200, "Bits a second. Default 19200, 50 to 4000000."),
  dataBits: field(v.picklist([7, 8]), 8, "Bits of a character: 7 or 8. Default 8."),
  parity: field(v.picklist(["none", "even", "odd"]), "even", "none, even or odd. Default even."),
  stopBits: field(v.picklist([1, 2]), 1, "1 or 2; with parity none most devices expect 2. Default 1."),
});

const fields = v.strictObject({
  host: option(v.pipe(v.string(), v.minLength(1), v.maxLength(255)), "Host name or address of the device or gateway. Either host or serial must be there."),
  port: field(portNumber(), 502, "TCP port. Default 502."),
  framing: field(v.picklist(["tcp", "rtu"], "must be tcp or rtu"), "tcp", "tcp: Modbus TCP. rtu: RTU frames over TCP, as many serial servers pass them on. Default tcp."),
  serial: option(serial, "A serial line instead of host. Needs the optional package serialport."),
  connectTimeout: field(duration(100, 600_000), "5s", "How long connecting may take. Default 5s, 100ms to 10m."),
  reconnect: field(
    v.pipe(
      v.strictObject({
        min: field(duration(10, 600_000), "100ms", "First pause before connecting again. Default 100ms."),
        max: field(duration(10, 3_600_000), "30s", "Longest pause; pauses double up to it, with jitter. Default 30s."),
      }),
      v.check(({ min, max }) => min <= max, "must have min no greater than max"),
    ),
    {},
    "Pauses between attempts to connect.",
  ),
  inFlight: field(integer(1, 64), 8, "Requests that may be on their way at once, to different units. 1 for a gateway to a serial line that answers slowly or not at all when it is asked faster. On a line always 1. Default 8, 1 to 64."),
  perUnit: field(integer(1, 16), 1, "Requests to the same unit that may be on their way at once; some devices serve only one. Default 1, 1 to 16."),
  pause: field(duration(0, 10_000), 0, "Silence before each request on a line, at least 3.5 characters on a serial one. Default 0, up to 10s."),
  strictUnit: field(v.boolean(), true, "Whether an answer over Modbus TCP must name the unit that was asked. Some gateways answer as unit 0 or 255: false. Default true."),
  qos: field(v.picklist([0, 1], "must be 0 or 1"), 0, "QoS of the readings: 0, or 1 = in the journal before the group is read again. Default 0."),
  publish: field(v.picklist(["always", "on-change"], "must be always or on-change"), "always", "What of a group goes out when it was read: always all, or on-change what differs from before. Default always."),
  heartbeat: field(duration(0, 86_400_000), "60s", "With on-change: time after which all of a group goes out again. 0 = never. Default 60s, up to 1d."),
  allowWrites: writesField("commands are written to the devices"),
  devices: v.pipe(v.array(deviceSchema), v.minLength(1, "must have at least one entry"), v.maxLength(1000), v.description("The devices behind the connection.")),
});

/** What a config of the plugin may say. */
export const configSchema = v.pipe(
  fields,
  v.rawCheck<v.InferOutput<typeof fields>>(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    for (const { path, message } of problemsOf(dataset.value)) {
      const [first, ...rest] = path.map((key) => ({ type: "unknown" as const, origin: "value" as const, input: undefined, key, value: undefined }));
      addIssue({ message, path: [first!, ...rest] });
    }
  }),
);

/** The config with all defaults filled in: durations in ms. */
export type ModbusConfig = v.InferOutput<typeof configSchema>;

/** One entry of `devices`. */
export type DeviceConfig = ModbusConfig["devices"][number];

/** A device of an entry: an entry with `units` stands for many. */
export interface UnitEntry {
  readonly id: string;
  readonly unit: number;
  readonly entry: DeviceConfig;
}

/** The devices that an entry stands for. */
export function unitsOf(entry: DeviceConfig): readonly UnitEntry[] {
  if (entry.units === undefined) return [{ id: entry.id, unit: entry.unit, entry }];
  return entry.units.split(",").flatMap((part) => {
    const [first, last = first] = part.split("-").map(Number) as [number, number?];
    return Array.from({ length: last! - first + 1 }, (_, n) => ({ id: entry.id.replaceAll("{unit}", String(first + n)), unit: first + n, entry }));
  });
}

interface Problem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

const isId = (text: string): boolean => v.is(idText(), text);

function problemsOf(config: v.InferOutput<typeof fields>): readonly Problem[] {
  const problems: Problem[] = [];
  if ((config.host === undefined) === (config.serial === undefined)) problems.push({ path: [config.host === undefined ? "host" : "serial"], message: config.host === undefined ? "is missing: where the device is, or serial" : "stands beside host: only one of the two can say where the device is" });
  const line = config.serial !== undefined || config.framing === "rtu";
  const seen = new Set<string>();
  config.devices.forEach((entry, at) => {
    for (const { id, unit } of unitsOf(entry)) {
      if (!isId(id)) problems.push({ path: ["devices", at, "id"], message: `must be an id, "${id}" is none: levels of [A-Za-z0-9._:@-]+ joined by /` });
      else if (seen.has(id)) problems.push({ path: ["devices", at, "id"], message: `is taken: "${id}" is there before` });
      if (line && (unit < 1 || unit > 247)) problems.push({ path: ["devices", at, entry.units === undefined ? "unit" : "units"], message: `must be 1 to 247 on a line, not ${unit}` });
      seen.add(id);
    }
  });
  return problems;
}
