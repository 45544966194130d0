import * as v from "valibot";
import { Forecaster, type ForecasterOptions } from "./forecaster.ts";
import type { GridState } from "./regular-grid.ts";

/** What the forecast step remembers of a series. */
export interface ForecastSeries {
  readonly grid: GridState;
  readonly forecaster: Forecaster;
  /** When the last bucket ended, ms since the Unix epoch. */
  end: number;
  /** Buckets since the last forecast. */
  unsaid: number;
  unit: string | undefined;
}

const number = v.pipe(v.number(), v.finite());
const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const schema = v.object({
  grid: v.object({ start: v.nullable(number), open: v.pipe(v.array(v.strictTuple([number, count])), v.maxLength(5000)) }),
  forecaster: v.object({
    history: v.array(v.nullable(number)),
    smoothing: v.optional(v.object({ alpha: number, beta: number, gamma: number, phi: number })),
    model: v.optional(v.object({ level: number, trend: number, seasonal: v.array(number), at: count, variance: number, errors: count })),
    sinceFit: count,
  }),
  end: number,
  unsaid: count,
  unit: v.optional(v.string()),
});

/** Reads what was kept of a series; undefined where it is none, or one of another model. */
export function loadForecastSeries(saved: unknown, options: ForecasterOptions): ForecastSeries | undefined {
  const parsed = v.safeParse(schema, saved);
  if (!parsed.success) return undefined;
  const { grid, forecaster, end, unsaid, unit } = parsed.output;
  const seasons = forecaster.model?.seasonal.length ?? 0;
  if (forecaster.history.length > options.history || (forecaster.model && seasons !== (options.model.season > 1 ? options.model.season : 0))) return undefined;
  return { grid, forecaster: new Forecaster(options, forecaster), end, unsaid, unit };
}
