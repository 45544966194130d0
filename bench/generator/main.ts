// The load generator's own process: takes one job from its parent, sends back the result or what went wrong, and ends.
import { runIdle } from "./idle.ts";
import type { Job } from "./job.ts";
import { runTraffic } from "./traffic.ts";

// What goes wrong inside a socket's callback ends the job too.
process.once("uncaughtException", (error) => finish({ error: error.message }));
process.once("disconnect", () => process.exit(1));
process.once("message", (job: Job) => {
  const run = job.kind === "traffic" ? runTraffic(job) : runIdle(job);
  run.then(
    (result) => finish({ result }),
    (error: unknown) => finish({ error: error instanceof Error ? error.message : String(error) }),
  );
});

function finish(answer: object): void {
  process.send?.(answer, undefined, undefined, () => process.exit(0));
}
