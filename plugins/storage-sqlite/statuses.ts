import type { DatabaseSync } from "node:sqlite";
import type { Quality } from "@busbar/core";
import { levelOf, qualities } from "./quality.ts";

/** The quality of a point and its code in the protocol's own words. */
export interface Status {
  /** 0 good, 1 uncertain, 2 bad. */
  readonly level: number;
  readonly code: string | undefined;
}

/** Statuses with a code that the file takes; of further ones only the quality is kept. */
const maxCodes = 10_000;

/**
 * What the small numbers in `point.status` stand for: 0 to 2 are the qualities without a code, larger ones are rows of the table `status`, which grows and never
 * changes. So a point takes no more room for it.
 */
export class Statuses {
  readonly #database: DatabaseSync;
  #ids = new Map<string, number>();
  #statuses: Status[] = [];

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.reload();
  }

  /** Reads the table: after another one has written to it, or a transaction has been undone. */
  reload(): void {
    this.#ids = new Map();
    this.#statuses = qualities.map((_, level) => ({ level, code: undefined }));
    for (const { id, quality, code } of this.#database.prepare("select id, quality, code from status order by id").all()) this.#note(id as number, { level: quality as number, code: code as string });
  }

  /** The number of a status, which is given one within the transaction that is open. */
  idOf(quality: Quality, code: string | undefined): number {
    const level = levelOf(quality);
    if (code === undefined) return level;
    const known = this.#ids.get(keyOf(level, code));
    if (known !== undefined) return known;
    if (this.#ids.size >= maxCodes) return level;
    const id = this.#statuses.length;
    this.#database.prepare("insert into status (id, quality, code) values (?, ?, ?)").run(id, level, code);
    this.#note(id, { level, code });
    return id;
  }

  /** What a number stands for; of a number that is none, what is known of it: that the value is not to be trusted. */
  of(id: number): Status {
    return this.#statuses[id] ?? { level: 1, code: undefined };
  }

  /** The place of the quality that a number stands for. */
  level(id: number): number {
    return id < 3 ? id : this.of(id).level;
  }

  #note(id: number, status: Status): void {
    this.#ids.set(keyOf(status.level, status.code!), id);
    while (this.#statuses.length < id) this.#statuses.push({ level: 1, code: undefined }); // a number that a damaged file has lost
    this.#statuses[id] = status;
  }
}

const keyOf = (level: number, code: string): string => `${level}${code}`;
