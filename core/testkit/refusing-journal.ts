import * as v from "valibot";
import type { BusbarError } from "../errors.ts";
import type { Journal } from "../journal.ts";
import { createMemoryJournal } from "../memory-journal.ts";
import { definePlugin, type AnyPlugin } from "../plugin.ts";
import { JournalPort } from "../ports.ts";

/** A journal in memory on a medium that a test fills up and empties. */
export interface RefusingJournal {
  /** Provides the journal to a gateway. */
  readonly plugin: AnyPlugin;
  readonly journal: Journal;
  /** What appends are refused with from now on; undefined = they are taken. */
  refuseWith: BusbarError | undefined;
  /** Batches that were asked for, refused ones too. */
  readonly attempts: number;
}

/** Makes one that takes messages. */
export function refusingJournal(): RefusingJournal {
  const memory = createMemoryJournal();
  let attempts = 0;
  const append: Journal["append"] = async (batch) => {
    attempts++;
    if (refusing.refuseWith !== undefined) throw refusing.refuseWith;
    return memory.append(batch);
  };
  const journal = new Proxy(memory, {
    get(target, key) {
      if (key === "append") return append;
      const member: unknown = Reflect.get(target, key, target);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
  const refusing: RefusingJournal = {
    plugin: definePlugin({ name: "refusing-journal", description: "A journal whose medium fills up when a test says so", config: v.strictObject({}), provides: { journal: JournalPort }, setup: () => ({ journal }) }),
    journal,
    refuseWith: undefined,
    get attempts() {
      return attempts;
    },
  };
  return refusing;
}
