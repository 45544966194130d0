import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Reading } from "./readings.ts";
import { Roller } from "./roller.ts";
import { floorTo, spans } from "./rollup-table.ts";
import { Statuses } from "./statuses.ts";

/** A series as the writer knows it. */
export interface Series {
  readonly id: number;
  time: number;
  /** The last value, once there was one since it is known; when it came. */
  last: Reading | undefined;
  received: number;
  /** As in the table: a point before `rolled` makes a rollup stale, one before `trimmed` is too old. */
  rolled: number;
  trimmed: number;
  /** The span that was marked as stale last. */
  stale: number | undefined;
}

/** What the writer has prepared on a connection. */
export interface SeriesStatements {
  readonly point: StatementSync;
  readonly stale: StatementSync;
  readonly find: StatementSync;
  readonly add: StatementSync;
  readonly set: StatementSync;
  readonly seen: StatementSync;
  readonly statuses: Statuses;
  readonly roller: Roller;
}

/** Prepares them. */
export function prepareSeries(database: DatabaseSync): SeriesStatements {
  const statuses = new Statuses(database);
  return {
    point: database.prepare("insert into point (series, time, value, lag, status) values (?, ?, ?, ?, ?) on conflict (series, time) do update set value = excluded.value, lag = excluded.lag, status = excluded.status"),
    stale: database.prepare("insert or ignore into stale (series, start) values (?, ?)"),
    find: database.prepare("select id, time, rolled, trimmed from series where device = ? and tag = ?"),
    add: database.prepare("insert into series (device, tag, quality, time, kind) values (?, ?, 'good', 0, 2)"),
    set: database.prepare("update series set unit = ?, quality = ?, time = ?, kind = ?, number = ?, text = ?, code = ?, received = ? where id = ?"),
    seen: database.prepare("insert into device (id, last_seen) values (?, ?) on conflict (id) do update set last_seen = max(last_seen, excluded.last_seen)"),
    statuses,
    roller: new Roller(database, statuses),
  };
}

/** Stores a number, a boolean or no value as a point, within the transaction that is open. A later one of the same time replaces; a late one makes its rollup stale. */
export function storePoint({ point, stale, statuses }: SeriesStatements, series: Series, { reading, time, received }: { readonly reading: Reading; readonly time: number; readonly received: number }): void {
  const { value, quality, code } = reading;
  point.run(series.id, time, value === null ? "" : Number(value), received - time, code === undefined && quality === "good" ? 0 : statuses.idOf(quality, code));
  if (time >= series.rolled) return;
  const start = floorTo(time, spans.short);
  if (series.stale === start) return;
  stale.run(series.id, start);
  series.stale = start;
}
