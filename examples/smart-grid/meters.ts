import type { Client, Envelope } from "@busbar/client";
import { AuthorityPort, BusbarError, definePlugin, duration, HttpPort, integer } from "@busbar/core";
import * as v from "valibot";
import { connectDevice } from "../device-client.ts";

const field = <S extends v.GenericSchema>(schema: S, fallback: v.InferInput<S>, description: string) => v.pipe(v.optional(schema, fallback as never), v.description(description));

const configSchema = v.strictObject({
  concentrators: field(integer(1, 100), 10, "Data concentrators, grid/dcu-1 and so on, each at a transformer of its own. Default 10, 1 to 100."),
  meters: field(integer(1, 1000), 100, "Meters of each concentrator, grid/dcu-1/meter-001 and so on. Default 100, 1 to 1000."),
  period: field(duration(50, 60_000), "1s", "Time between two readings of a meter. Default 1s, 50ms to 1m."),
  day: field(duration(10_000, 7 * 86_400_000), "4m", "Length of a day of the simulated households. Default 4m, 10s to 7d."),
  faults: v.pipe(
    v.optional(v.strictObject({ every: duration(1000, 86_400_000), for: duration(500, 86_400_000) })),
    v.description("How often something breaks at one meter after the other, and for how long: it falls silent, its voltage sags, or somebody takes power past it. Default: never."),
  ),
});

/** What is wrong with a meter. `bypass`: power is taken that it does not see. */
type Fault = "silent" | "sag" | "bypass";
const faultKinds: readonly Fault[] = ["silent", "sag", "bypass"];

interface Meter {
  readonly id: string;
  /** Share of its power that the grid operator may switch off, such as a heat pump. */
  readonly flexible: number;
  /** When of the day its household wakes up, as a part of it. */
  readonly shift: number;
  /** kWh since it was installed. */
  energy: number;
  fault?: Fault | undefined;
}

interface Concentrator {
  readonly client: Client;
  readonly meters: readonly Meter[];
  /** Whether the flexible loads are switched off. */
  shed: boolean;
}

/** Meters of households that report once a second through data concentrators, which also measure at the transformer and switch flexible loads. */
export default definePlugin({
  name: "meters",
  description: "Simulated electricity meters behind data concentrators, with faults, and loads that can be switched",
  config: configSchema,
  needs: { auth: AuthorityPort, http: HttpPort },
  setup(ctx) {
    const { config, clock, log } = ctx;
    const concentrators = Array.from({ length: config.concentrators }, (_, at): Concentrator => {
      const id = `grid/dcu-${at + 1}`;
      const client = connectDevice(ctx, id);
      const meters = Array.from({ length: config.meters }, (_, of): Meter => ({ id: `${id}/meter-${String(of + 1).padStart(3, "0")}`, flexible: Math.random() < 0.4 ? 0.5 : 0, shift: Math.random() * 0.06, energy: Math.round(Math.random() * 20_000) }));
      const one: Concentrator = { client, meters, shed: false };
      client.onCommand((command) => switchLoads(one, command));
      return one;
    });

    const start = clock.now();
    let before = start;
    ctx.defer(clock.every(config.period, () => {
      const now = clock.now();
      const hours = ((now - before) / config.day) * 24;
      before = now;
      for (const [at, one] of concentrators.entries()) report(one, { now, hours, dayPart: ((now - start) / config.day + at * 0.01 + 0.25) % 1 });
    }));
    if (config.faults) {
      const { every, for: length } = config.faults;
      const all = concentrators.flatMap(({ meters }) => meters);
      let count = 0;
      ctx.defer(clock.every(every, () => {
        const until = clock.now() + length;
        const meter = all[(count * 37) % all.length]!;
        meter.fault = faultKinds[count++ % faultKinds.length];
        log.info("a fault begins", { meter: meter.id, fault: meter.fault, until });
        ctx.defer(clock.after(length, () => (meter.fault = undefined)));
      }));
    }
  },
});

interface Moment {
  readonly now: number;
  /** Hours of the households since the last readings. */
  readonly hours: number;
  /** 0 at midnight, 0.5 at noon. */
  readonly dayPart: number;
}

/** Says what every meter reads, and what goes through the transformer. */
function report({ client, meters, shed }: Concentrator, { now, hours, dayPart }: Moment): void {
  let metered = 0;
  let load = 0;
  for (const meter of meters) {
    const wanted = householdLoad(dayPart - meter.shift) * (0.9 + 0.2 * Math.random());
    const power = shed ? wanted * (1 - meter.flexible) : wanted;
    load += meter.fault === "bypass" ? power + 6 : power;
    meter.energy += power * hours;
    metered += power;
    if (meter.fault === "silent") continue;
    const voltage = (meter.fault === "sag" ? 198 : 233) - power * 0.6 + Math.random();
    publish(client, { from: meter.id, now, values: { power: [power, "kW"], voltage: [voltage, "V"], energy: [meter.energy, "kWh"] } });
  }
  publish(client, { from: client.id, now, values: { load: [load * 1.02, "kW"], metered: [metered, "kW"], shed: [shed] } });
}

/** The load of a household in kW: little at night, a peak in the morning and a higher one in the evening. */
function householdLoad(dayPart: number): number {
  const peak = (at: number, width: number): number => Math.exp(-((((dayPart - at + 1.5) % 1) - 0.5) ** 2) / width);
  return 0.35 + 1.1 * peak(0.31, 0.004) + 1.9 * peak(0.79, 0.008);
}

function switchLoads(one: Concentrator, { payload }: Envelope): { readonly shed: boolean } {
  const shed = typeof payload === "object" && payload !== null && "shed" in payload ? payload.shed : undefined;
  if (typeof shed !== "boolean") throw new BusbarError("BAD_FRAME", 'Cannot obey: a data concentrator takes {"shed": true} or {"shed": false}');
  one.shed = shed;
  return { shed };
}

function publish(client: Client, { from, now, values }: { readonly from: string; readonly now: number; readonly values: Readonly<Record<string, readonly [value: number | boolean, unit?: string]>> }): void {
  const readings = Object.entries(values).map(([tag, [value, unit]]) => ({ tag, value: typeof value === "number" ? Math.round(value * 1000) / 1000 : value, ...(unit === undefined ? {} : { unit }) }));
  client.publish({ type: "status", from, timestamp: now, qos: 0, payload: { values: readings } }).catch(() => {}); // offline: the next reading is better than a late one
}
