import { Worker } from "node:worker_threads";
import type { Finding } from "./fuzz-target.ts";
import type { WorkerTask } from "./worker.ts";

/** An input that takes longer than this has hung the parser, whatever else the machine does. */
const hangTime = 10_000;
const inputBytes = 1 << 20;

/** What to run, and how long. */
export interface WatchedOptions extends Pick<WorkerTask, "target" | "seed" | "executions" | "time" | "corpus"> {}

/** What came of it. */
export interface WatchedOutcome {
  readonly executions: number;
  /** Different words for what came of the inputs. */
  readonly outcomes: number;
  /** Inputs that brought a new one. */
  readonly discovered: readonly Uint8Array[];
  readonly finding?: Finding;
}

interface WorkerAnswer {
  readonly executions: number;
  readonly outcomes: ReadonlyMap<string, number>;
  readonly discovered: readonly Uint8Array[];
  readonly failure?: { readonly input: Uint8Array; readonly text: string };
  readonly growth?: number;
}

/** Fuzzes in a thread of its own and watches it: a parser that never returns, or takes the thread down with it, is a finding too. */
export function fuzzWatched(options: WatchedOptions): Promise<WatchedOutcome> {
  const progress = new SharedArrayBuffer(8);
  const input = new SharedArrayBuffer(inputBytes);
  const counters = new Int32Array(progress);
  const current = (): Uint8Array => new Uint8Array(input).slice(0, counters[1]);
  const { target } = options;
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { workerData: { ...options, progress, input } satisfies WorkerTask });
  return new Promise((resolve) => {
    let seen = -1;
    let ended = false;
    const end = (outcome: WatchedOutcome): void => {
      if (ended) return; // terminating it makes it say "exit"
      ended = true;
      clearInterval(watch);
      void worker.terminate().then(() => resolve(outcome));
    };
    const found = (kind: Finding["kind"], text: string): void => end({ executions: Atomics.load(counters, 0), outcomes: 0, discovered: [], finding: { target, kind, text, input: current() } });
    const watch = setInterval(() => {
      const count = Atomics.load(counters, 0);
      if (count === seen && count > 0) found("hang", `no answer within ${hangTime} ms`);
      seen = count;
    }, hangTime);
    worker.once("message", ({ executions, outcomes, discovered, failure, growth }: WorkerAnswer) => {
      const finding: Finding | undefined = failure ? { target, kind: "error", ...failure } : growth === undefined ? undefined : { target, kind: "growth", text: `the heap has grown by ${growth} bytes`, input: current() };
      end({ executions, outcomes: outcomes.size, discovered, ...(finding && { finding }) });
    });
    worker.once("error", (error) => found("error", String(error instanceof Error ? error.stack : error)));
    worker.once("exit", (code) => found("exit", `the thread ended with ${code}`));
  });
}
