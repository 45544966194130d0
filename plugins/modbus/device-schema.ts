import { duration, field, integer, option } from "@busbar/core";
import * as v from "valibot";
import { isBitTable, maxReadBits, maxReadRegisters } from "./pdu.ts";
import { createPoint } from "./point.ts";
import { name, orderField, pointProblems, pointSchema } from "./point-schema.ts";

const period = () => duration(10, 86_400_000);

const fields = v.strictObject({
  id: v.pipe(v.string(), v.minLength(1), v.maxLength(256), v.description("Its id on the bus: readings are on status/<id>, commands on command/<id>. With units {unit} stands for the unit id.")),
  unit: field(integer(0, 255), 1, "Unit id (slave address), 1 to 247 on a line, 0 to 255 over Modbus TCP. Default 1."),
  units: option(v.pipe(v.string(), v.regex(/^\d{1,3}(?:-\d{1,3})?(?:,\d{1,3}(?:-\d{1,3})?)*$/, 'must be unit ids such as "1-20" or "1,3,7-9"')), 'Many units with the same points, such as "1-20,30", each a device of its own. The id must hold {unit}.'),
  order: field(orderField, "abcd", "Order of the bytes of its numbers: abcd, cdab, badc or dcba. Default abcd."),
  period: field(period(), "1s", "Time between two reads of the points without a group. Default 1s, 10ms to 1d."),
  groups: field(v.pipe(v.record(name(64), period()), v.maxEntries(100)), {}, "Further poll groups: name and time between two reads. Default none."),
  timeout: field(duration(10, 60_000), "1s", "How long an answer may take. Default 1s, 10ms to 1m."),
  retries: field(integer(0, 10), 1, "How often a request without a proper answer is sent again at once. Default 1, 0 to 10."),
  maxRegisters: field(integer(1, maxReadRegisters), maxReadRegisters, "Registers of one request at the most. Default 125, the most there can be."),
  maxBits: field(integer(1, maxReadBits), maxReadBits, "Bits of one request at the most. Default 2000, the most there can be."),
  maxGap: option(integer(0, maxReadBits), "Cells between two points that nobody wants and that are read all the same to save a request. Default: 2000 over Modbus TCP, 10 on a line, where each byte takes time."),
  relearn: field(duration(1000, 30 * 86_400_000), "10m", "Time after which what the device refused is tried again. Default 10m, 1s to 30d."),
  readBack: field(v.boolean(), true, "Whether a write counts only when the device shows the value afterwards. Default true."),
  readBackWithin: field(duration(0, 60_000), "1s", "Time in which it has to show it. Default 1s, up to 1m."),
  writeFunctions: field(v.picklist(["auto", "single", "multiple"]), "auto", "auto: functions 5 and 6 for one cell, 15 and 16 for more; single: only 5 and 6; multiple: only 15 and 16. Default auto."),
  maskWrite: field(v.picklist(["auto", "always", "never"]), "auto", "Whether bits of a register are written with function 22: auto = until the device does not know it; else the register is read, changed and written. Default auto."),
  points: v.pipe(v.array(pointSchema), v.minLength(1, "must have at least one entry"), v.maxLength(20_000), v.description("What is read.")),
});

type Fields = v.InferOutput<typeof fields>;

/** One device: where its values are, how often they are read, and what it can take. */
export const deviceSchema = v.pipe(
  fields,
  v.rawCheck<Fields>(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    for (const { path, message } of problemsOf(dataset.value)) {
      const [first, ...rest] = path.map((key) => ({ type: "unknown" as const, origin: "value" as const, input: undefined, key, value: undefined }));
      addIssue({ message, path: [first!, ...rest] });
    }
  }),
);

interface Problem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

function problemsOf(device: Fields): readonly Problem[] {
  const problems: Problem[] = [];
  if (device.units !== undefined) problems.push(...problemsOfUnits(device.units));
  if (device.units !== undefined && !device.id.includes("{unit}")) problems.push({ path: ["id"], message: "must hold {unit} beside units, as each unit is a device of its own" });
  if (Object.hasOwn(device.groups, "default")) problems.push({ path: ["groups", "default"], message: "is the group of points without one: its time is period" });
  const seen = new Set<string>();
  device.points.forEach((config, at) => {
    const problem = (key: string, message: string): void => void problems.push({ path: ["points", at, key], message });
    if (seen.has(config.tag)) problem("tag", `is taken: "${config.tag}" is there before`);
    seen.add(config.tag);
    if (config.group !== undefined && config.group !== "default" && !Object.hasOwn(device.groups, config.group)) problem("group", `is not one of groups: ${["default", ...Object.keys(device.groups)].join(", ")}`);
    if (pointProblems(config).length > 0) return;
    const point = createPoint(config, device);
    const most = isBitTable(point.table) ? device.maxBits : device.maxRegisters;
    if (point.cells > most) problem(config.count > 1 ? "count" : config.length === undefined ? "type" : "length", `takes ${point.cells} cells, one request brings ${most}`);
    if (point.address + point.cells > 65_536) problem(config.register === undefined ? "address" : "register", "reaches beyond the last address");
  });
  return problems;
}

function problemsOfUnits(units: string): readonly Problem[] {
  const numbers = units.split(",").map((part) => part.split("-").map(Number));
  const wrong = numbers.find(([first, last]) => first! > 255 || (last !== undefined && (last > 255 || last < first!)));
  return wrong === undefined ? [] : [{ path: ["units"], message: `must be ids from 0 to 255, the lower one first, not ${wrong.join("-")}` }];
}
