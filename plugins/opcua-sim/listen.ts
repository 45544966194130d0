import type { Server } from "node:net";
import { BusbarError } from "@busbar/core";

/**
 * Starts to listen and gives the port that it is.
 * @throws {BusbarError} UNAVAILABLE naming host, port and why not.
 */
export function listen(server: Server, at: { readonly host: string; readonly port: number }): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const why = cause.code === "EADDRINUSE" ? "the port is in use" : cause.code === "EACCES" ? "this user may not" : (cause.code ?? cause.message);
      reject(new BusbarError("UNAVAILABLE", `Cannot listen on ${at.host}:${at.port}: ${why}`, { cause }));
    });
    server.listen(at.port, at.host, () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : at.port);
    });
  });
}
