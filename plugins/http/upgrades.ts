import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { Counter, UpgradeRefusal } from "@busbar/core";
import { checkRoutePath } from "./mounts.ts";
import { Problem } from "./problem.ts";
import type { SiteGuard } from "./site-guard.ts";

/** Takes over a connection; it owns the socket. */
export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** The protocols that other plugins speak on the server's connections, by path. */
export interface Upgrades {
  /** Takes over requests to exactly `path`. Gone when the returned function is called. @throws {TypeError} for a path that is none or is taken. */
  add(path: string, handler: UpgradeHandler): () => void;
  /** Refuses a request that was handed over. */
  refuse(socket: Duplex, refusal: UpgradeRefusal): void;
  /** The server's `upgrade` event. What another site's page asks for is refused before anybody sees it; what nobody takes is answered with 404 and closed. */
  handle(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

/** What upgrades are decided by. */
export interface UpgradeOptions {
  readonly guard: SiteGuard;
  /** The server speaks TLS. */
  readonly encrypted: boolean;
  /** Counts requests to paths that nobody serves. */
  readonly refused: Counter;
}

/** Makes an empty table. */
export function createUpgrades({ guard, encrypted, refused }: UpgradeOptions): Upgrades {
  const handlers = new Map<string, UpgradeHandler>();
  return {
    add(path, handler) {
      checkRoutePath(path, handlers);
      handlers.set(path, handler);
      return () => {
        if (handlers.get(path) === handler) handlers.delete(path);
      };
    },
    refuse: (socket, { status, detail, headers = {} }) => endWith(socket, new Problem(status, { code: "BAD_FRAME", detail, headers }), encrypted),
    handle(request, socket, head) {
      const problem = guard.checkUpgrade(request);
      if (problem) return endWith(socket, problem, encrypted);
      const path = (request.url ?? "").split("?", 1)[0]!;
      const handler = handlers.get(path);
      if (handler) return handler(request, socket, head);
      refused.value++;
      endWith(socket, new Problem(404, { code: "NOT_FOUND", detail: "No protocol is served here" }), encrypted);
    },
  };
}

/** Writes a problem to a bare connection and closes it. Deno drops what was written before `destroy`, so it is destroyed only once written. */
export function endWith(socket: Duplex, problem: Problem, encrypted: boolean): void {
  socket.on("error", () => socket.destroy()); // the peer may be gone already; without a listener that would end the process
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  socket.once("finish", () => socket.destroy());
  socket.end(problem.raw(encrypted));
}
