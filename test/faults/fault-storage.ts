import process from "node:process";
import { Worker } from "node:worker_threads";
import { AuditPort, definePlugin, JournalPort, StorePort, type Envelope, type Journal } from "@busbar/core";
import { config as storageConfig, storageSqlite } from "@busbar/storage-sqlite";
import * as v from "valibot";

/**
 * What goes wrong, and when:
 * - `before-append`: the process is killed before the batch of append number `at` is handed to the storage.
 * - `after-commit`: it is killed when that batch is committed, before anybody is told.
 * - `retention`: it is killed `delay` ms after step number `at` of the journal's retention has begun.
 * - `worker`: the thread of the database is ended while it works on that batch, and again `at` appends later.
 * - `lie`: from that append on, every batch is reported as stored and is not: what a careless gateway does.
 */
const fault = v.strictObject({ step: v.picklist(["before-append", "after-commit", "retention", "worker", "lie"]), at: v.pipe(v.number(), v.integer(), v.minValue(1)), delay: v.optional(v.number(), 0) });

/** The real storage with a fault at an exact moment. Its config: that of storage-sqlite, and `fault`. */
export const faultStorage = definePlugin({
  name: "storage-sqlite",
  description: "storage-sqlite that breaks at a given moment",
  config: v.strictObject({ ...storageConfig.entries, fault }),
  needs: { audit: AuditPort },
  provides: { journal: JournalPort, store: StorePort },
  async setup(ctx) {
    const { fault, ...config } = ctx.config;
    let thread: Worker | undefined;
    let steps = 0;
    watchCalls((worker, call) => {
      thread = worker;
      if (call === "retainJournal" && fault.step === "retention" && ++steps === fault.at) setTimeout(die, fault.delay);
    });
    const provided = await storageSqlite.setup({ ...ctx, config });
    return { ...provided, journal: breaking(provided.journal, { ...fault, endThread: () => void thread?.terminate() }) };
  },
});

export default faultStorage;

function breaking(journal: Journal, { step, at, endThread }: v.InferOutput<typeof fault> & { readonly endThread: () => void }): Journal {
  let count = 0;
  let ahead = 0;
  const append = (batch: readonly Envelope[]): Promise<number> => {
    const now = ++count % at === 0;
    if (now && step === "before-append") die();
    if (step === "lie" && count >= at) {
      const first = Math.max(ahead, journal.bounds().last) + 1;
      ahead = first + batch.length - 1;
      return Promise.resolve(first);
    }
    const stored = journal.append(batch);
    if (now && step === "worker") endThread();
    return now && step === "after-commit" ? stored.then(die) : stored;
  };
  return new Proxy(journal, {
    get(target, name) {
      if (name === "append") return append;
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function die(): never {
  process.kill(process.pid, "SIGKILL");
  for (;;); // not one step further until the signal arrives
}

/** Tells of every call that is sent to a thread from now on. */
function watchCalls(told: (worker: Worker, call: unknown) => void): void {
  const { postMessage } = Worker.prototype;
  Worker.prototype.postMessage = function (this: Worker, ...words: Parameters<Worker["postMessage"]>): void {
    told(this, (words[0] as { readonly call?: unknown } | undefined)?.call);
    postMessage.apply(this, words);
  };
}
