import { hasPermittedWorkers } from "../../host.ts";
import type { Container, ContainerOptions } from "./container.ts";
import { startProcess } from "./process-container.ts";
import { startWorker } from "./worker-container.ts";

/**
 * Starts what a plugin is to run in: on Deno a worker, on Node a process.
 * @throws when the gateway itself lacks a permission that is to be granted.
 */
export function startContainer(options: ContainerOptions): Container {
  return hasPermittedWorkers() ? startWorker(options) : startProcess(options);
}
