import { Kysely } from "kysely";
import type { DatabaseSync } from "node:sqlite";
import type { DeviceRecord, LastValue } from "@busbar/core";
import { NodeSqliteDialect } from "./kysely-dialect.ts";

interface Tables {
  series: { id: number; device: string; tag: string; unit: string | null; quality: string; code: string | null; time: number; received: number | null; kind: number; number: number | null; text: string | null };
  device: { id: string; last_seen: number };
}

/** The devices of the Store port over one connection. */
export class DeviceQuery {
  readonly #db: Kysely<Tables>;

  constructor(database: DatabaseSync) {
    this.#db = new Kysely<Tables>({ dialect: new NodeSqliteDialect(database) });
  }

  /** Store.devices. */
  async devices(request: { readonly after?: string | undefined; readonly limit: number }): Promise<DeviceRecord[]> {
    const devices = await this.#db.selectFrom("device").selectAll().where("id", ">", request.after ?? "").orderBy("id").limit(request.limit).execute();
    return await this.#describe(devices);
  }

  /** Store.device. */
  async device(id: string): Promise<DeviceRecord | undefined> {
    return (await this.#describe(await this.#db.selectFrom("device").selectAll().where("id", "=", id).execute()))[0];
  }

  async #describe(devices: readonly Tables["device"][]): Promise<DeviceRecord[]> {
    const values = new Map<string, Record<string, LastValue>>(devices.map(({ id }) => [id, Object.create(null) as Record<string, LastValue>]));
    for (let at = 0; at < devices.length; at += 500) {
      const ids = devices.slice(at, at + 500).map(({ id }) => id);
      for (const row of await this.#db.selectFrom("series").selectAll().where("device", "in", ids).orderBy("tag").execute()) values.get(row.device)![row.tag] = lastValue(row);
    }
    return devices.map(({ id, last_seen }) => ({ id, lastSeen: last_seen, values: { ...values.get(id)! } }));
  }
}

function lastValue({ kind, number, text, unit, quality, code, time, received }: Tables["series"]): LastValue {
  const value = kind === 3 ? null : kind === 2 ? (text ?? "") : kind === 1 ? number === 1 : (number ?? 0);
  return { value, ...(unit === null ? {} : { unit }), quality, ...(code === null ? {} : { code }), timestamp: time, ...(received === null ? {} : { received }) };
}
