import type { Finding } from "../../plugins/storage-sqlite/finding.ts";

/** A batch that was acknowledged: the offset of its first message, and the name of all; their msgids are `<run>.<batch>.<place>`. */
export interface Ack {
  readonly first: number;
  readonly count: number;
  readonly name: string;
}

/** What the program had been told, and had asked for, when the power failed. */
export interface Told {
  readonly acks: readonly Ack[];
  /** Where it had moved the reader, or tried to. */
  readonly cursors: readonly number[];
}

/** What was there before the program began. */
export interface Survived extends Told {
  readonly epoch: string | undefined;
  readonly last: number;
  /** The newest that was there; less than `last` when something after it was lost. */
  readonly newest: number;
}

/** What was found on a disk after a power cut. */
export interface Found {
  readonly epoch: string;
  readonly last: number;
  /** What the file beside the journal says is acknowledged; 0 when it says nothing. */
  readonly acknowledged: number;
  /** Where the reader stands. */
  readonly cursor: number | undefined;
  /** The msgids that are there, by offset, in order. */
  readonly names: ReadonlyMap<number, string>;
  /** What the storage reported when it was opened. */
  readonly findings: readonly Finding[];
}

/** What that comes to. */
export interface CutVerdict {
  /** Messages of this run that are there, and those that retention has removed since. */
  readonly found: number;
  /** Acknowledged and not there. */
  readonly missing: number;
  /** Of these and of what had not been acknowledged yet, what the storage reported to be missing. */
  readonly reported: number;
  readonly doubled: number;
  readonly reordered: number;
  readonly problems: readonly string[];
}

/**
 * Compares them. With durability "full" everything that was acknowledged must be there and nothing is reported; with "normal" the newest may be missing. In both, what had survived before is there, an entry is where it was said to be, the
 * journal has its epoch, and the reader stands where it once stood. What is missing before something that is there must have been reported, with its exact number.
 */
export function judgeCut(found: Found, { before, told, durability }: { readonly before: Survived; readonly told: Told; readonly durability: "full" | "normal" }): CutVerdict {
  const { names, findings } = found;
  const problems: string[] = [];
  const expect = (good: boolean, text: () => string): void => void (good || problems.push(text()));
  const offsets = [...names.keys()];
  const newest = offsets.at(-1) ?? 0;
  const cursors = [...before.cursors, ...told.cursors];
  const passed = Math.max(0, ...cursors);
  // retention may have removed what the reader has passed
  const isGone = (offset: number): boolean => !names.has(offset) && (offset > passed || offset > offsets[0]!);

  const missing = (acks: readonly Ack[]): number[] => {
    const all = acks.flatMap(({ first, count, name }) => Array.from({ length: count }, (_, part) => ({ offset: first + part, name: `${name}.${part}` })));
    for (const { offset, name } of all) expect((names.get(offset) ?? name) === name, () => `offset ${offset} has ${names.get(offset)}, it was acknowledged as that of ${name}`);
    return all.map(({ offset }) => offset).filter(isGone);
  };
  const [lost, gone] = [missing(before.acks), missing(told.acks)];
  expect(lost.length === 0, () => `${lost.length} messages from ${lost[0]} on had survived an earlier power cut and are gone`);
  expect(found.last >= Math.max(newest, found.acknowledged, before.last), () => `the journal ends at ${found.last}, its newest entry is ${newest}, acknowledged were ${found.acknowledged}`);
  expect(before.epoch === undefined || found.epoch === before.epoch, () => `the epoch was ${before.epoch} and is ${found.epoch}`);
  expect(found.cursor === undefined ? before.cursors.length === 0 : cursors.includes(found.cursor), () => `the reader stands at ${found.cursor}, it was moved to ${cursors.join(", ")}`);

  const reported = findings.reduce((sum, finding) => sum + finding.lost, 0);
  if (durability === "full") {
    expect(gone.length === 0, () => `${gone.length} acknowledged messages from ${gone[0]} on are gone`);
    expect(findings.length === 0, () => `it reports: ${findings.map(({ message }) => message).join("; ")}`);
    expect(offsets.length === 0 || offsets.length === newest - offsets[0]! + 1, () => `${newest - offsets[0]! + 1 - offsets.length} offsets are missing in the middle`);
  } else {
    expect(findings.every(({ reason }) => reason === "missing-tail"), () => `it reports: ${findings.map(({ message }) => message).join("; ")}`);
    const known = (after: number): number => Array.from({ length: Math.max(0, found.acknowledged - after) }, (_, at) => after + 1 + at).filter(isGone).length;
    // what was missing already is reported again when the power failed before that was put on record
    expect(known(before.last) === reported || known(before.newest) === reported, () => `${known(before.last)} messages are known to be missing, ${known(before.newest)} with those from before, ${reported} are reported`);
    const hole = gone.find((offset) => offset < newest && offset > found.acknowledged);
    expect(hole === undefined, () => `offset ${hole} is missing, ${newest} is there, and nothing says so`);
  }
  const here = offsets.filter((offset) => offset > before.last).length;
  const removed = told.acks.reduce((sum, { first, count }) => sum + Array.from({ length: count }, (_, part) => first + part).filter((offset) => !names.has(offset) && !isGone(offset)).length, 0);
  return { found: here + removed, missing: lost.length + gone.length, reported, doubled: names.size - new Set(names.values()).size, reordered: countReordered([...names.values()]), problems };
}

/** Messages that stand behind one that was sent later: msgids are numbers with dots. */
function countReordered(names: readonly string[]): number {
  let count = 0;
  let before = [0, 0, -1];
  for (const name of names) {
    const now = name.split(".").map(Number);
    const differs = now.findIndex((part, at) => part !== before[at]);
    if (now[differs]! < before[differs]!) count++;
    else before = now;
  }
  return count;
}
