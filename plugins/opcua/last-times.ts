import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { BusbarError } from "@busbar/core";
import * as v from "valibot";

/** When the last value of each point was taken, so that a gap over a restart is known and can be filled. Times are ms since the Unix epoch. */
export interface LastTimes {
  /** When this was written: up to then everything had come. */
  readonly at: number;
  /** By `pointKey`. */
  readonly points: Readonly<Record<string, number>>;
}

const time = v.pipe(v.number(), v.integer(), v.minValue(0));
const schema = v.object({ at: time, points: v.record(v.string(), time) });

/** Reads what was written last; undefined where there is nothing. A file that is not whole counts as nothing, and `onDamage` is told. @throws {BusbarError} IO when it cannot be read. */
export async function readLastTimes(file: string, onDamage: () => void): Promise<LastTimes | undefined> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new BusbarError("IO", `Cannot read the times of the last values in "${file}"`, { cause });
  }
  try {
    return v.parse(schema, JSON.parse(text));
  } catch {
    onDamage();
    return undefined;
  }
}

/** Writes them beside the file and then puts them in its place, so that it is always whole. @throws {BusbarError} IO. */
export async function writeLastTimes(file: string, times: LastTimes): Promise<void> {
  const draft = `${file}.new`;
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(draft, JSON.stringify(times));
    await rename(draft, file);
  } catch (cause) {
    throw new BusbarError("IO", `Cannot write the times of the last values to "${file}"`, { cause });
  }
}
