import type { Permissions } from "../../config/permissions/permissions.ts";
import type { Carrier } from "./link.ts";

/** What a plugin runs in, seen from the gateway: a process on Node, a worker on Deno. */
export interface Container extends Carrier {
  /** Stops and starts hearing what it says, where that can be done: a process is then held up by its pipe. */
  pause(): void;
  resume(): void;
  /** Whether `memory` is its own; else it is that of the whole gateway. */
  readonly ownMemory: boolean;
  /** Bytes of the machine's memory that it takes, or the gateway with it, where that can be seen; undefined elsewhere. */
  memory(): number | undefined;
  /** Ends it at once, whatever it is doing. Resolves when it is gone. */
  kill(): Promise<void>;
}

/** How a container is made. */
export interface ContainerOptions {
  readonly permissions: Permissions;
  /** Folders and files that its code is loaded from. */
  readonly code: readonly string[];
  /** Whether the plugin says that it starts threads. */
  readonly threads: boolean;
  /** Bytes. */
  readonly memory: number;
  /** Takes each batch. What it throws ends the container. */
  onBatch(batch: Uint8Array): void;
  /** Called once when it has ended, or is broken, without having been killed: `reason` for people, "crash" or "memory" for counters. */
  onEnd(reason: string, kind: "crash" | "memory" | "malformed"): void;
}
