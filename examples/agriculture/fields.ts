import type { Client, Envelope } from "@busbar/client";
import { AuthorityPort, BusbarError, definePlugin, duration, HttpPort, integer, type Clock } from "@busbar/core";
import * as v from "valibot";
import { connectDevice } from "../device-client.ts";
import { createWeakLink, type WeakLink } from "../weak-link.ts";

const field = <S extends v.GenericSchema>(schema: S, fallback: v.InferInput<S>, description: string) => v.pipe(v.optional(schema, fallback as never), v.description(description));

const configSchema = v.strictObject({
  fields: field(integer(1, 100), 3, "Fields, each with a gateway of its own, farm/field-1 and so on. Default 3, 1 to 100."),
  period: field(duration(50, 60_000), "1s", "Time between two samples of a sensor. Default 1s, 50ms to 1m."),
  speed: field(v.pipe(v.number(), v.minValue(1), v.maxValue(100_000)), 600, "Seconds of the fields' weather and soil in one second. Default 600, 1 to 100000."),
  outage: v.pipe(
    v.optional(v.strictObject({ every: duration(1000, 86_400_000), for: duration(100, 86_400_000) })),
    v.description("How often the radio link of each field breaks, one field after the other, and for how long. Default: never."),
  ),
});

/** What a field is like; per cent are of the soil's volume. */
interface Field {
  readonly id: string;
  readonly link: WeakLink;
  readonly client: Client;
  /** Moisture 10 and 30 cm below ground, in per cent. */
  upper: number;
  lower: number;
  valve: boolean;
}

/** Moisture lost in a second of the hottest sunshine, and gained in one of an open valve, in per cent. */
const drying = 0.0012;
const watering = 0.006;
/** Of the difference between the two depths, what has seeped through in a second. */
const seepage = 0.0003;

/** Field gateways that report soil and weather by radio and obey commands to their valve. What they measure while the link is down they send when it is up again, with the time at which they measured it. */
export default definePlugin({
  name: "fields",
  description: "Simulated field gateways with soil sensors, a weather station and an irrigation valve, behind a link that breaks",
  config: configSchema,
  needs: { auth: AuthorityPort, http: HttpPort },
  setup(ctx) {
    const { config, clock } = ctx;
    const station = connectDevice(ctx, "weather-station");
    const fields = Array.from({ length: config.fields }, (_, at): Field => {
      const id = `farm/field-${at + 1}`;
      const link = createWeakLink();
      const one: Field = { id, link, client: connectDevice(ctx, id, link.transport), upper: 32 - at, lower: 34 - at, valve: false };
      one.client.onCommand((command) => turnValve(one, command));
      return one;
    });

    let before = clock.now();
    const start = before;
    ctx.defer(clock.every(config.period, () => {
      const now = clock.now();
      const seconds = ((now - before) / 1000) * config.speed;
      before = now;
      const weather = weatherAt(((now - start) / 1000) * config.speed);
      report(station, now, { temperature: [weather.temperature, "°C"], humidity: [weather.humidity, "%"], irradiance: [weather.irradiance, "W/m2"] });
      for (const one of fields) {
        if (!one.link.up) one.valve = false; // nobody could close it: better dry than flooded
        moveSoil(one, { seconds, sun: weather.irradiance / 1000 });
        report(one.client, now, { "soil-10cm": [one.upper, "%"], "soil-30cm": [one.lower, "%"], "soil-temperature": [weather.temperature * 0.6 + 6, "°C"], valve: [one.valve] });
      }
    }));
    if (config.outage) breakLinks(fields, { ...config.outage, clock, defer: ctx.defer });
  },
});

/** The weather so many seconds after six in the morning. */
function weatherAt(seconds: number): { readonly temperature: number; readonly humidity: number; readonly irradiance: number } {
  const sun = Math.max(0, Math.sin((seconds / 86_400) * 2 * Math.PI));
  return { temperature: 14 + 14 * sun, humidity: 85 - 45 * sun, irradiance: 950 * sun };
}

function moveSoil(one: Field, { seconds, sun }: { readonly seconds: number; readonly sun: number }): void {
  const seeped = (one.upper - one.lower) * Math.min(0.5, seepage * seconds);
  one.upper = within(one.upper + (one.valve ? watering : 0) * seconds - drying * (0.2 + sun) * seconds - seeped);
  one.lower = within(one.lower - drying * 0.2 * seconds + seeped);
}

const within = (moisture: number): number => Math.min(45, Math.max(4, moisture));

function turnValve(one: Field, { payload }: Envelope): { readonly valve: boolean } {
  const open = typeof payload === "object" && payload !== null && "valve" in payload ? payload.valve : undefined;
  if (typeof open !== "boolean") throw new BusbarError("BAD_FRAME", 'Cannot obey: a field gateway takes {"valve": true} or {"valve": false}');
  one.valve = open;
  return { valve: open };
}

function report(client: Client, timestamp: number, values: Readonly<Record<string, readonly [value: number | boolean, unit?: string]>>): void {
  const readings = Object.entries(values).map(([tag, [value, unit]]) => ({ tag, value: typeof value === "number" ? Math.round(value * 100) / 100 : value, ...(unit === undefined ? {} : { unit }) }));
  client.publish({ type: "status", timestamp, payload: { values: readings } }).catch(() => {}); // `problem` and the buffer's limit tell of what was dropped
}

/** Cuts the link of one field after the other. */
function breakLinks(fields: readonly Field[], { every, for: length, clock, defer }: { readonly every: number; readonly for: number; readonly clock: Clock; readonly defer: (cleanup: () => void) => void }): void {
  const mending = new Map<WeakLink, () => void>();
  let next = 0;
  defer(() => mending.forEach((cancel) => cancel()));
  defer(clock.every(every, () => {
    const { link } = fields[next++ % fields.length]!;
    link.cut();
    mending.get(link)?.();
    mending.set(link, clock.after(length, () => link.mend()));
  }));
}
