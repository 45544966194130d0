import type { FuzzRun, FuzzTarget } from "./fuzz-target.ts";
import { HeapWatch } from "./heap-watch.ts";
import { Mutator } from "./mutator.ts";
import { Random } from "./random.ts";

/** Seeds that are kept at the most: a word for what came of an input that is too chatty must not fill the memory. */
const mostSeeds = 5000;

/** How long, and from where. */
export interface FuzzOptions {
  /** The same seed gives the same inputs. */
  readonly seed: number;
  /** Inputs at the most, besides the seeds. */
  readonly executions: number;
  /** Whether time is up; asked every 256 inputs. */
  readonly over?: () => boolean;
  /** Inputs of the corpus folder: run first, all of them. */
  readonly corpus?: readonly Uint8Array[];
  /** Sees each input before the parser does: whoever watches from outside has it then, should it never return. */
  readonly before?: (input: Uint8Array) => void;
}

/** What came of it. */
export interface FuzzOutcome {
  readonly executions: number;
  /** Words for what came of the inputs, and how often. */
  readonly outcomes: ReadonlyMap<string, number>;
  /** Inputs that brought a new word, without those it began with. */
  readonly discovered: readonly Uint8Array[];
  /** The first input that did what it must not. */
  readonly failure?: { readonly input: Uint8Array; readonly error: unknown };
  /** Bytes by which the heap has grown for good, where that is too much. */
  readonly growth?: number;
}

/**
 * Gives a parser its seeds, then changed copies of what it knew best what to do with: an input that brings an outcome not seen before becomes a seed itself. Ends at the first failure.
 */
export async function fuzz(target: FuzzTarget, options: FuzzOptions): Promise<FuzzOutcome> {
  const run = await target.open();
  try {
    return await shoot(target, { ...options, run });
  } finally {
    await target.close?.();
  }
}

async function shoot(target: FuzzTarget, { run, seed, executions, over = () => false, corpus = [], before = () => {} }: FuzzOptions & { readonly run: FuzzRun }): Promise<FuzzOutcome> {
  const random = new Random(seed);
  const mutator = new Mutator({ random, words: target.words ?? [], maxLength: target.maxLength ?? 4096 });
  const seeds = [...target.seeds, ...corpus];
  const outcomes = new Map<string, number>();
  const discovered: Uint8Array[] = [];
  const heap = new HeapWatch();
  const begun = seeds.length;
  let count = 0;
  for (; count < begun + executions; count++) {
    const known = count < begun;
    const input = known ? seeds[count]!.slice() : mutator.mutate(random.pick(seeds), random.pick(seeds));
    before(input);
    let outcome: string;
    try {
      const returned = run(input.slice());
      outcome = typeof returned === "string" ? returned : await returned;
      checkPrototypes();
    } catch (error) {
      return { executions: count + 1, outcomes, discovered, failure: { input, error } };
    }
    const times = outcomes.get(outcome) ?? 0;
    outcomes.set(outcome, times + 1);
    if (times === 0 && !known && seeds.length < mostSeeds) {
      seeds.push(input);
      discovered.push(input);
    }
    if ((count & 255) !== 255) continue;
    if (over()) break;
    const growth = heap.look(count);
    if (growth !== undefined) return { executions: count + 1, outcomes, discovered, growth };
  }
  return { executions: count, outcomes, discovered };
}

/** Nothing that is parsed may add to what every object has. */
function checkPrototypes(): void {
  for (const key in {}) throw new Error(`the prototype of all objects has got a property ${JSON.stringify(key)}`);
  for (const key in []) throw new Error(`the prototype of all arrays has got a property ${JSON.stringify(key)}`);
}
