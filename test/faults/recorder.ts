import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { definePlugin, duration, toJsonObject, topicPattern } from "@busbar/core";
import * as v from "valibot";
import type { Found } from "./verdict.ts";

/** A durable reader that writes what it is handed to a file, a line each, before it says that it is done with it. */
export const recorder = definePlugin({
  name: "recorder",
  description: "Writes what a durable reader gets to a file",
  config: v.strictObject({ file: v.string(), topics: v.array(topicPattern()), pause: v.optional(duration(0, 60_000), 0) }),
  setup(ctx) {
    const { file, topics, pause } = ctx.config;
    const descriptor = openSync(ctx.path(file), "a");
    ctx.defer(() => closeSync(descriptor));
    const reader = ctx.bus.consume("recorder", topics, async (batch) => {
      writeSync(descriptor, batch.map(({ message, offset }) => `${JSON.stringify(toJsonObject(message, offset))}\n`).join(""));
      if (pause > 0) await ctx.clock.sleep(pause);
    });
    ctx.defer(() => reader.close());
  },
});

export default recorder;

/** Reads what a recorder has written, without what it was handed again. A line that a kill has cut off counts as not written. */
export function readRecording(file: string): { readonly entries: readonly Found[]; readonly repeated: number } {
  const entries = new Map<string, Found>();
  let repeated = 0;
  for (const line of readFileSync(file, "utf8").split("\n")) {
    const entry = parseLine(line);
    if (entry === undefined) continue;
    const key = `${entry.from} ${entry.msgid}`;
    if (entries.has(key)) repeated++;
    else entries.set(key, entry);
  }
  return { entries: [...entries.values()], repeated };
}

function parseLine(line: string): Found | undefined {
  try {
    return JSON.parse(line) as Found;
  } catch {
    return undefined;
  }
}
