import { parentPort, workerData } from "node:worker_threads";
import { findTarget } from "../targets.ts";
import { fuzz } from "./fuzz.ts";

/** What a thread is told. `progress`: its first number counts inputs, its second is the length of the one in `input`. */
export interface WorkerTask {
  readonly target: string;
  readonly seed: number;
  readonly executions: number;
  /** Milliseconds at the most. */
  readonly time: number;
  readonly corpus: readonly Uint8Array[];
  readonly progress: SharedArrayBuffer;
  readonly input: SharedArrayBuffer;
}

const { target, seed, executions, time, corpus, progress, input } = workerData as WorkerTask;
const counters = new Int32Array(progress);
const current = new Uint8Array(input);
const begun = performance.now();
const outcome = await fuzz(findTarget(target), {
  seed,
  executions,
  corpus,
  over: () => performance.now() - begun > time,
  before(bytes) {
    current.set(bytes.subarray(0, current.length));
    counters[1] = bytes.length;
    Atomics.add(counters, 0, 1);
  },
});
const { failure, ...rest } = outcome;
parentPort!.postMessage({ ...rest, ...(failure && { failure: { input: failure.input, text: textOf(failure.error) } }) });

function textOf(error: unknown): string {
  const parts: string[] = [];
  for (let at: unknown = error; at !== undefined && parts.length < 5; at = at instanceof Error ? at.cause : undefined) parts.push(at instanceof Error ? (at.stack ?? at.message) : String(at));
  return parts.join("\ncaused by: ");
}
