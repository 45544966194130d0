import { once } from "node:events";
import { join } from "node:path";
import type { IdleJob, IdleResult, Job, JobResult, TrafficJob, TrafficResult } from "../generator/job.ts";
import { startChild } from "./child.ts";
import { nodeProgram } from "./runtimes.ts";

const program = join(import.meta.dirname, "..", "generator", "main.ts");

/** Runs one job in a fresh load generator on `cpu`. @throws Error with the job's reason when it failed. */
export function runJob(job: TrafficJob, cpu: number | undefined): Promise<TrafficResult>;
export function runJob(job: IdleJob, cpu: number | undefined): Promise<IdleResult>;
export async function runJob(job: Job, cpu: number | undefined): Promise<JobResult> {
  const child = startChild([nodeProgram, program], { cpu, ipc: true });
  try {
    child.process.send(job);
    const [answer] = await Promise.race([
      once(child.process, "message"),
      once(child.process, "exit").then(([code]) => [{ error: `the load generator ended with ${code}` }]),
    ]);
    if (answer.error !== undefined) throw new Error(`Cannot measure ${job.kind} on ${job.publish.wire} port ${job.publish.port}: ${answer.error}`);
    return answer.result;
  } finally {
    await child.stop();
  }
}
