import { checkpoint, openDatabaseFile, run, type ConnectionOptions } from "./database-file.ts";
import type { Finding } from "./finding.ts";
import { PageReader } from "./page-reader.ts";
import { seriesSchema } from "./schema-version.ts";
import { replaceDamaged, salvageName } from "./set-aside.ts";
import { rowsOfTree, type PageSource, type Row } from "./tree-reader.ts";

/** Where the migrations put the roots of the tables, for a file whose first page says nothing any more. In one that was made before there were rollups the last two lie elsewhere: it is then salvaged without them. */
const knownRoots = { series: 6, point: 8, device: 9, status: 10, rollup: 11 } as const;
/** Points copied between two commits. */
const commitPoints = 200_000;
/** Points copied at the most: readings were acknowledged to nobody, and a start must not take minutes for them. */
const maxPoints = 20_000_000;

/**
 * Makes a new file of series of what can be read of a damaged one, without SQLite, and puts it in its place; the damaged one is kept beside it. Points have no checksum: what can be
 * read as one is taken for one. Rollups are copied too, and made anew of the points that are there.
 * @throws {StorageFault} OVERLOAD when there is no room for the new file: the damaged one is then still in place.
 */
export async function salvageSeries(path: string, options: ConnectionOptions, state: { readonly stamp: string; readonly onProgress: () => void }): Promise<Finding> {
  const reader = new PageReader(path);
  try {
    const source: PageSource = (number) => reader.page(number);
    const migrations = async () => (await import("./migrations.ts")).seriesMigrations;
    const database = await openDatabaseFile(salvageName(path), seriesSchema, migrations, { ...options, maxBytes: undefined });
    const counts = { series: 0, point: 0, device: 0, status: 0, rollup: 0 };
    try {
      run(database, "pragma synchronous = off"); // it is synced once, when it is complete
      const insert = {
        series: database.prepare(`insert or ignore into series (id, device, tag, unit, quality, time, kind, number, text, code, received, trimmed, rolled) values (${"?, ".repeat(12)}?)`),
        point: database.prepare("insert or ignore into point (series, time, value, lag, status) values (?, ?, ?, ?, ?)"),
        device: database.prepare("insert or ignore into device (id, last_seen) values (?, ?)"),
        status: database.prepare("insert or ignore into status (id, quality, code) values (?, ?, ?)"),
        rollup: database.prepare(`insert or ignore into rollup values (${"?, ".repeat(16)}?)`),
      };
      run(database, "begin");
      for (const table of ["series", "device", "status", "rollup", "point"] as const) {
        for (const row of rowsOfTree(source, rootOf(source, table))) {
          const values = valuesOf[table](row);
          if (values) counts[table] += Number(insert[table].run(...values).changes);
          if (table !== "point" || counts.point % commitPoints !== 0) continue;
          if (counts.point >= maxPoints) break;
          run(database, "commit");
          checkpoint(database, "passive");
          state.onProgress();
          run(database, "begin");
        }
      }
      for (const table of ["point", "rollup"]) run(database, `delete from ${table} where series not in (select id from series)`);
      run(database, "commit");
    } finally {
      database.close();
    }
    reader.close();
    const keptAs = replaceDamaged(path, state.stamp);
    return { reason: "damaged-file", kind: "series", lost: 0, message: `"${path}" was damaged: ${counts.point} points of ${counts.series} series and ${counts.device} devices were copied to a new file, what else there was is lost`, keptAs };
  } finally {
    reader.close();
  }
}

/** Whether a file that SQLite takes for none of its own was once one of ours with series. */
export function isSeries(path: string): boolean {
  const reader = new PageReader(path);
  try {
    for (const row of rowsOfTree((number) => reader.page(number), knownRoots.series)) if (valuesOf.series(row)) return true;
    return false;
  } finally {
    reader.close();
  }
}

type Values = (number | string | null)[];

const isText = (value: unknown): value is string => typeof value === "string" && value.length > 0 && value.length <= 4096;
const isTime = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isNumberOrNull = (value: unknown): value is number | null => value === null || typeof value === "number";

/** The columns of a row that is none of the table's own kind are undefined. Columns of later versions of the schema may be missing. */
const valuesOf: Readonly<Record<keyof typeof knownRoots, (row: Row) => Values | undefined>> = {
  series({ key, values }) {
    const [, device, tag, unit, quality, time, kind, number, text, code = null, received = null, , trimmed = 0] = values;
    const sound = key !== undefined && (values.length === 9 || values.length === 13) && isText(device) && isText(tag) && (unit === null || isText(unit)) && isText(quality) && isTime(time) && (kind === 0 || kind === 1 || kind === 2 || kind === 3);
    if (!sound || !isTime(trimmed)) return undefined;
    return [key, device, tag, unit, quality, time, kind, typeof number === "number" ? number : null, typeof text === "string" ? text : null, isText(code) ? code : null, isTime(received) ? received : null, trimmed, trimmed];
  },
  point({ values: [series, time, value, lag = null, status = 0] }) {
    const sound = isTime(series) && isTime(time) && (value === "" || (typeof value === "number" && Number.isFinite(value))) && (lag === null || Number.isSafeInteger(lag)) && isTime(status);
    return sound ? [series, time, value, lag as number | null, status] : undefined;
  },
  device({ values: [id, seen] }) {
    return isText(id) && isTime(seen) ? [id, seen] : undefined;
  },
  status({ key, values }) {
    const [, quality, code] = values;
    return key !== undefined && key > 2 && values.length === 3 && (quality === 0 || quality === 1 || quality === 2) && isText(code) ? [key, quality, code] : undefined;
  },
  rollup({ values }) {
    return values.length === 17 && values.every(isNumberOrNull) && values.slice(0, 6).every(isTime) ? (values as Values) : undefined;
  },
};

function rootOf(source: PageSource, name: keyof typeof knownRoots): number {
  for (const { values } of rowsOfTree(source, 1)) if (values[0] === "table" && values[1] === name && typeof values[3] === "number") return values[3];
  return knownRoots[name];
}
