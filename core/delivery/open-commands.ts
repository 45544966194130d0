import type { Envelope } from "../envelope.ts";
import type { TrackedCommand } from "./tracked-command.ts";

/** The commands that are not over, in the order in which they came, found by whom they are for. */
export class OpenCommands implements Iterable<TrackedCommand> {
  readonly #all = new Set<TrackedCommand>();
  readonly #to = new Map<string, Set<TrackedCommand>>();
  /** By everyone who speaks for whom they are for. */
  readonly #below = new Map<string, Set<TrackedCommand>>();
  /** The newest of each target and replace key. */
  readonly #newest = new Map<string, TrackedCommand>();
  /** What is on its way to the journal, by whom it is for. */
  readonly #reserved = new Map<string, number>();
  #reservedCount = 0;

  get size(): number {
    return this.#all.size;
  }

  /** With those that are on their way to the journal. */
  get reservedSize(): number {
    return this.#all.size + this.#reservedCount;
  }

  [Symbol.iterator](): Iterator<TrackedCommand> {
    return this.#all.values();
  }

  /** The place in the journal of the oldest that has one. */
  get oldest(): number | undefined {
    for (const { offset } of this.#all) if (offset !== undefined) return offset;
    return undefined;
  }

  /** How many are for exactly `to`, with those that are on their way to the journal. */
  countFor(to: string): number {
    return (this.#to.get(to)?.size ?? 0) + (this.#reserved.get(to) ?? 0);
  }

  /** One for `to` is on its way to the journal; `release` when it is there, or has not got there. */
  reserve(to: string): void {
    this.#reserved.set(to, (this.#reserved.get(to) ?? 0) + 1);
    this.#reservedCount++;
  }

  release(to: string): void {
    const left = this.#reserved.get(to)! - 1;
    if (left === 0) this.#reserved.delete(to);
    else this.#reserved.set(to, left);
    this.#reservedCount--;
  }

  add(tracked: TrackedCommand): void {
    const { message } = tracked;
    this.#all.add(tracked);
    put(this.#to, message.to, tracked);
    for (let id = message.to; id !== ""; id = above(id)) put(this.#below, id, tracked);
  }

  delete(tracked: TrackedCommand): void {
    const { message } = tracked;
    if (!this.#all.delete(tracked)) return;
    take(this.#to, message.to, tracked);
    for (let id = message.to; id !== ""; id = above(id)) take(this.#below, id, tracked);
    const key = replaceKey(message);
    if (key !== undefined && this.#newest.get(key) === tracked) this.#newest.delete(key);
  }

  /** The newest that a command replaces, if it replaces any. */
  replacedBy(message: Envelope): TrackedCommand | undefined {
    const key = replaceKey(message);
    return key === undefined ? undefined : this.#newest.get(key);
  }

  /** From now on a command with the same target and replace key replaces this one. */
  makeNewest(tracked: TrackedCommand): void {
    const key = replaceKey(tracked.message);
    if (key !== undefined) this.#newest.set(key, tracked);
  }

  /** Calls `each` for those for `id` or what lies below it, for its groups and for all: not in order. */
  forTaker(id: string, groups: readonly string[], each: (tracked: TrackedCommand) => void): void {
    if (this.#all.size === 0) return;
    this.#below.get(id)?.forEach(each);
    this.#to.get("all")?.forEach(each);
    for (const group of groups) this.#to.get(`group/${group}`)?.forEach(each);
  }
}

/** The id that speaks for this one: `home-7` for `home-7/lamp`. */
const above = (id: string): string => id.slice(0, Math.max(0, id.lastIndexOf("/")));

/** Commands that replace each other share it: whoever may command a device may replace what waits for it. At qos 0 nothing waits. */
function replaceKey({ to, replace, qos }: Envelope): string | undefined {
  return replace === undefined || qos === 0 ? undefined : to + "\0" + replace;
}

function put(index: Map<string, Set<TrackedCommand>>, key: string, tracked: TrackedCommand): void {
  const known = index.get(key);
  if (known) known.add(tracked);
  else index.set(key, new Set([tracked]));
}

function take(index: Map<string, Set<TrackedCommand>>, key: string, tracked: TrackedCommand): void {
  const known = index.get(key);
  known?.delete(tracked);
  if (known?.size === 0) index.delete(key);
}
