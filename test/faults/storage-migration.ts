import { sql } from "kysely";
import { openDatabaseFile } from "../../plugins/storage-sqlite/database-file.ts";
import { journalMigrations } from "../../plugins/storage-sqlite/migrations.ts";
import { journalSchema } from "../../plugins/storage-sqlite/schema-version.ts";

/*
 * For storage-opening.test.ts: opens the journal in `file` as a program would whose schema is newer by one version: all blocks are copied into a table of another form and the old one is dropped.
 */
const [file = ""] = process.argv.slice(2);
const database = await openDatabaseFile(
  file,
  { ...journalSchema, version: journalSchema.version + 1 },
  async () => ({
    ...journalMigrations,
    "9999-other-form": {
      async up(db) {
        await sql`create table moved (last integer primary key, first integer not null, body blob not null)`.execute(db);
        await sql`insert into moved select last, first, body from block`.execute(db);
        await sql`drop table block`.execute(db);
      },
    },
  }),
  { durability: "full", cacheKiB: 64 },
);
database.close();
