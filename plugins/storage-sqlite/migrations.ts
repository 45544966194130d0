import type { DatabaseSync } from "node:sqlite";
import { Kysely, sql } from "kysely";
import { Migrator, type Migration } from "kysely/migration";
import { NodeSqliteDialect } from "./kysely-dialect.ts";
import type { SchemaVersion } from "./schema-version.ts";

/** Migrations by name; they run in order of name, and the number of them is the schema's version. */
export type Migrations = Readonly<Record<string, Migration>>;

/**
 * The journal: blocks of entries (entry-codec.ts) keyed by the offset of their last entry, so that "after an offset" is one search. Times are
 * the smallest and largest source time and the largest time of arrival in a block; `crc` is CRC-32 of the body, seeded with the epoch and the first offset.
 * `summary` holds what block-summary.ts says of a block, by the same key; blocks from before that have none. `sealing` says how many entries of a block have fields that are encrypted with which key.
 */
export const journalMigrations: Migrations = {
  "0001-journal": {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema.createTable("meta").addColumn("name", "text", (column) => column.primaryKey().notNull()).addColumn("value", "text", (column) => column.notNull()).modifyEnd(sql`without rowid`).execute();
      await db.schema
        .createTable("block")
        .addColumn("last", "integer", (column) => column.primaryKey().notNull())
        .addColumn("first", "integer", (column) => column.notNull())
        .addColumn("min_time", "integer", (column) => column.notNull())
        .addColumn("max_time", "integer", (column) => column.notNull())
        .addColumn("received", "integer", (column) => column.notNull())
        .addColumn("crc", "integer", (column) => column.notNull())
        .addColumn("body", "blob", (column) => column.notNull())
        .execute();
      await db.schema.createTable("retained").addColumn("topic", "text", (column) => column.primaryKey().notNull()).addColumn("offset", "integer", (column) => column.notNull()).addColumn("body", "blob", (column) => column.notNull()).execute();
      await db.schema.createTable("cursor").addColumn("name", "text", (column) => column.primaryKey().notNull()).addColumn("offset", "integer", (column) => column.notNull()).modifyEnd(sql`without rowid`).execute();
    },
  },
  "0002-summary": {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema
        .createTable("summary")
        .addColumn("last", "integer", (column) => column.primaryKey().notNull())
        .addColumn("first", "integer", (column) => column.notNull())
        .addColumn("types", "text", (column) => column.notNull())
        .addColumn("crc", "integer", (column) => column.notNull())
        .addColumn("noted", "blob")
        .execute();
    },
  },
  "0003-sealing": {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema
        .createTable("sealing")
        .addColumn("last", "integer", (column) => column.notNull())
        .addColumn("key", "text", (column) => column.notNull())
        .addColumn("entries", "integer", (column) => column.notNull())
        .addPrimaryKeyConstraint("sealing_key", ["last", "key"])
        .modifyEnd(sql`without rowid`)
        .execute();
    },
  },
};

/**
 * The series: points clustered by series and time, the last value of each tag with its series, and the devices. `kind` of a value: 0 number, 1 boolean, 2 text, 3 none.
 * Of a point `lag` is the time of arrival less the source time, null for points from before it was kept; `status` names its quality and code (statuses.ts); a value of empty text is none.
 * `rollup` holds what rollup-table.ts says of spans of time, good for those that end at `rolled` of their series or before and are not in `stale`; points before `trimmed` have been removed.
 */
export const seriesMigrations: Migrations = {
  "0001-series": {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema
        .createTable("series")
        .addColumn("id", "integer", (column) => column.primaryKey().notNull())
        .addColumn("device", "text", (column) => column.notNull())
        .addColumn("tag", "text", (column) => column.notNull())
        .addColumn("unit", "text")
        .addColumn("quality", "text", (column) => column.notNull())
        .addColumn("time", "integer", (column) => column.notNull())
        .addColumn("kind", "integer", (column) => column.notNull())
        .addColumn("number", "real")
        .addColumn("text", "text")
        .addUniqueConstraint("series_device_tag", ["device", "tag"])
        .execute();
      await db.schema
        .createTable("point")
        .addColumn("series", "integer", (column) => column.notNull())
        .addColumn("time", "integer", (column) => column.notNull())
        .addColumn("value", "real", (column) => column.notNull())
        .addPrimaryKeyConstraint("point_key", ["series", "time"])
        .modifyEnd(sql`without rowid`)
        .execute();
      await db.schema.createTable("device").addColumn("id", "text", (column) => column.primaryKey().notNull()).addColumn("last_seen", "integer", (column) => column.notNull()).modifyEnd(sql`without rowid`).execute();
    },
  },
  "0002-rollups": {
    async up(db: Kysely<unknown>): Promise<void> {
      // SQLite adds such columns without touching a row (sqlite.org/lang_altertable.html): a file of any size is ready at once
      await db.schema.alterTable("point").addColumn("lag", "integer").execute();
      await db.schema.alterTable("point").addColumn("status", "integer", (column) => column.notNull().defaultTo(0)).execute();
      for (const [name, type] of [["code", "text"], ["received", "integer"]] as const) await db.schema.alterTable("series").addColumn(name, type).execute();
      for (const name of ["rolled", "trimmed"]) await db.schema.alterTable("series").addColumn(name, "integer", (column) => column.notNull().defaultTo(0)).execute();
      await db.schema.createTable("status").addColumn("id", "integer", (column) => column.primaryKey().notNull()).addColumn("quality", "integer", (column) => column.notNull()).addColumn("code", "text", (column) => column.notNull()).execute();
      await sql`create table rollup (series integer not null, span integer not null, start integer not null, level integer not null, count integer not null, empty integer not null,
        sum real, m2 real, min real, min_at integer, max real, max_at integer, first real, first_at integer, last real, last_at integer, area real, primary key (series, span, start, level)) without rowid`.execute(db);
      await db.schema
        .createTable("stale")
        .addColumn("series", "integer", (column) => column.notNull())
        .addColumn("start", "integer", (column) => column.notNull())
        .addPrimaryKeyConstraint("stale_key", ["series", "start"])
        .modifyEnd(sql`without rowid`)
        .execute();
    },
  },
};

/**
 * Brings the schema up to date in one transaction: either the file has the new version or it is as it was. The header says the new version in
 * the same transaction. `database` must not be in WAL mode, so that its header is what lies on disk.
 * @throws what the failing migration threw.
 */
export async function migrate(database: DatabaseSync, schema: SchemaVersion, migrations: Migrations): Promise<void> {
  const db = new Kysely<unknown>({ dialect: new NodeSqliteDialect(database) });
  const version: Migration = {
    async up(inner: Kysely<unknown>): Promise<void> {
      await sql`pragma application_id = ${sql.raw(String(schema.applicationId))}`.execute(inner);
      await sql`pragma user_version = ${sql.raw(String(schema.version))}`.execute(inner);
    },
  };
  const names = Object.keys(migrations).sort();
  const last = names.at(-1)!;
  const all = { ...migrations, [last]: { up: async (inner: Kysely<unknown>) => (await migrations[last]!.up(inner), await version.up(inner)) } };
  try {
    const { error } = await new Migrator({ db, provider: { getMigrations: async () => all } }).migrateToLatest();
    if (error !== undefined) throw error;
  } finally {
    await db.destroy();
  }
}
