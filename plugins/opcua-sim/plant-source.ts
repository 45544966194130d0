import { readFile } from "node:fs/promises";
import { BusbarError } from "@busbar/core";
import * as v from "valibot";
import { compilePlant, type Plant } from "./compiled-plant.ts";
import { type SimConfig, soundPlantSchema } from "./config.ts";
import { defaultPlant } from "./default-plant.ts";
import type { PlantSpec } from "./plant.ts";

/**
 * The plant that a config names, be it inline, in a file, or the default one, with its fleet.
 * @throws {BusbarError} CONFIG naming the file and every problem.
 */
export async function loadPlant(config: Pick<SimConfig, "plant" | "plantFile" | "fleet">, path: (relative: string) => string): Promise<Plant> {
  const { plant, plantFile, fleet } = config;
  const spec = plantFile === undefined ? (plant ?? v.parse(soundPlantSchema, defaultPlant)) : await readPlant(path(plantFile));
  try {
    return compilePlant(spec, fleet);
  } catch (cause) {
    throw new BusbarError("CONFIG", `Cannot build the plant: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

async function readPlant(file: string): Promise<PlantSpec> {
  let data: unknown;
  try {
    data = JSON.parse(await readFile(file, "utf8"));
  } catch (cause) {
    throw new BusbarError("CONFIG", `Cannot read the plant in "${file}"`, { cause });
  }
  const result = v.safeParse(soundPlantSchema, data);
  if (result.success) return result.output;
  throw new BusbarError("CONFIG", `Cannot use the plant in "${file}": ${result.issues.map((issue) => `${v.getDotPath(issue) ?? "plant"}: ${issue.message}`).join("; ")}`);
}
