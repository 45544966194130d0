/*
 * The worker of an isolate on Deno. Nothing imports it: the gateway starts it with the permissions of the plugin. It speaks through the worker's own channel.
 */
import { runIsolate } from "./run-isolate.ts";

/** What of a worker's global scope is used (HTML §10.2.1.2). */
interface WorkerScope {
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  postMessage(message: unknown, transfer: readonly ArrayBuffer[]): void;
}

const scope = globalThis as unknown as WorkerScope;
const isolate = runIsolate({ post: (batch) => scope.postMessage(batch.buffer, [batch.buffer]), waiting: () => 0 });
scope.onmessage = ({ data }) => isolate.take(new Uint8Array(data as ArrayBuffer));
