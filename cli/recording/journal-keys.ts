import { realpath } from "node:fs/promises";
import { resolve } from "node:path";
import { loadConfig, loadEncryption, type Encryption } from "@busbar/core";
import { storageSqlite, type RekeyPlan } from "@busbar/storage-sqlite";
import { defaultConfig, readConfig } from "../config-file.ts";

/**
 * The keys that read the encrypted fields of a journal's file: those of the config that is named, else of the default one where that keeps its journal in this very file. Undefined when there are none.
 * @throws {Failure} 78 when the named config is wrong. @throws {BusbarError} CONFIG or IO when a key cannot be used.
 */
export async function findJournalKeys(journal: string, named: string | undefined): Promise<Encryption | undefined> {
  const file = named ?? (await defaultConfig());
  if (file === undefined) return undefined;
  const config = named === undefined ? (await loadConfig(file)).config : await readConfig(named);
  const section = config?.instances.find(({ plugin }) => plugin.name === storageSqlite.name)?.config as Partial<RekeyPlan> | undefined;
  if (section?.encryption === undefined || section.file === undefined) return undefined;
  if (named === undefined && (await placeOf(section.file)) !== (await placeOf(journal))) return undefined;
  return await loadEncryption(section.encryption, (name) => resolve(name));
}

const placeOf = (file: string): Promise<string> => realpath(file).catch(() => resolve(file));
