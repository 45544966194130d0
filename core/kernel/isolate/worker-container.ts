import process from "node:process";
import type { NetPermission } from "../../config/permissions/permissions.ts";
import { formatAddress } from "../../config/permissions/permissions.ts";
import type { Container, ContainerOptions } from "./container.ts";

/** What of a worker is used, with the permissions that Deno adds (docs.deno.com, "Workers", "Specifying worker permissions"). */
interface PermittedWorker {
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onerror: ((event: { readonly message: string; preventDefault(): void }) => void) | null;
  postMessage(message: unknown, transfer: readonly ArrayBuffer[]): void;
  terminate(): void;
}

type PermittedWorkerClass = new (url: URL, options: { readonly type: "module"; readonly name: string; readonly deno: { readonly permissions: Readonly<Record<string, unknown>> } }) => PermittedWorker;

const addresses = (net: readonly NetPermission[]): readonly string[] => [...new Set(net.map(formatAddress))];

/**
 * Starts the worker of an isolate on Deno, with exactly the permissions given; the gateway itself must have them, and `--unstable-worker-options`. Its memory is part of the process: what
 * it takes is told by itself, or seen in how the process grows while it says nothing.
 */
export function startWorker(options: ContainerOptions): Container {
  const { permissions, code } = options;
  const url = new URL(`./isolate-worker${import.meta.url.slice(import.meta.url.lastIndexOf("."))}`, import.meta.url); // .ts here, .js when published
  const granted = { net: addresses(permissions.net), read: [...code, ...permissions.read], write: permissions.write, env: permissions.env, sys: permissions.sys, run: false, ffi: false, import: false };
  const WorkerClass = (globalThis as unknown as { readonly Worker: PermittedWorkerClass }).Worker;
  const worker = new WorkerClass(url, { type: "module", name: "isolate", deno: { permissions: granted } });
  let over = false;
  const end = (reason: string, kind: "crash" | "malformed"): void => {
    if (over) return;
    over = true;
    worker.terminate();
    options.onEnd(reason, kind);
  };
  let held: unknown[] | undefined;
  const take = (data: unknown): void => {
    if (!(data instanceof ArrayBuffer)) return end("it said something that is no batch", "malformed");
    try {
      options.onBatch(new Uint8Array(data));
    } catch (error) {
      end(error instanceof Error ? error.message : String(error), "malformed");
    }
  };
  worker.onmessage = ({ data }) => {
    if (over) return;
    if (held === undefined) return take(data);
    if (held.push(data) > 10_000) end("it floods the gateway", "malformed");
  };
  worker.onerror = (event) => {
    event.preventDefault();
    end(event.message.slice(0, 500), "crash");
  };
  return {
    post: (batch) => void (over || worker.postMessage(batch.buffer, [batch.buffer])),
    waiting: () => 0,
    pause: () => void (held ??= []),
    resume() {
      const waiting = held ?? [];
      held = undefined;
      for (const data of waiting) if (!over) take(data);
    },
    ownMemory: false,
    memory: () => process.memoryUsage.rss(),
    kill() {
      over = true;
      worker.terminate();
      return Promise.resolve();
    },
  };
}
