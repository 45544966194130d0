import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import { SqliteAdapter, SqliteDialect, type SqliteStatement } from "kysely";

/**
 * Kysely on a node:sqlite connection, which stays its owner's: destroying the Kysely does not close it. Statements are prepared once
 * for each text. node:sqlite binds neither booleans (Deno) nor Dates (NULL, silently) nor undefined: they become 0 and 1, milliseconds
 * since the Unix epoch, and NULL. Migrations run in one transaction: SQLite's DDL is transactional.
 */
export class NodeSqliteDialect extends SqliteDialect {
  constructor(database: DatabaseSync) {
    const cache = new Map<string, SqliteStatement>();
    super({
      database: {
        close: () => cache.clear(),
        prepare(text) {
          let statement = cache.get(text);
          if (!statement) {
            if (cache.size >= 200) cache.clear();
            cache.set(text, (statement = adapt(database.prepare(text))));
          }
          return statement;
        },
      },
    });
  }

  override createAdapter(): SqliteAdapter {
    return new TransactionalAdapter();
  }
}

class TransactionalAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

function adapt(statement: StatementSync): SqliteStatement {
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => statement.all(...parameters.map(toBindable)).map((row) => ({ ...row })), // rows have no prototype
    run: (parameters) => statement.run(...parameters.map(toBindable)),
    iterate: (parameters) => statement.all(...parameters.map(toBindable))[Symbol.iterator](), // in Deno 2.9 an error ends `iterate` without a word
  };
}

function toBindable(value: unknown): SQLInputValue {
  if (typeof value === "boolean") return value ? 1 : 0;
  if (value instanceof Date) return value.getTime();
  return (value ?? null) as SQLInputValue;
}
