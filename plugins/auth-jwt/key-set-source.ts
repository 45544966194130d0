import { open } from "node:fs/promises";
import { BusbarError, type Clock } from "@busbar/core";
import type { KeySetConfig } from "./key-config.ts";

/** Where a key set is read from. */
export interface KeySetSource {
  /**
   * The set's text, or undefined when it is what it was the last time.
   * @throws {BusbarError} UNAVAILABLE or IO when it cannot be had, TOO_LARGE when it is longer than `limit`, TIMEOUT.
   */
  read(signal: AbortSignal): Promise<string | undefined>;
  /** Says that what was read last is of no use: the next time it is read in any case. */
  forget(): void;
}

/** Reads a set with HTTP: conditionally, within the config's time and size, without following redirects, which could lead anywhere. */
export function urlSource(url: string, { limit, timeout }: Pick<KeySetConfig, "limit" | "timeout">, clock: Clock): KeySetSource {
  let etag: string | undefined;
  return {
    forget: () => (etag = undefined),
    async read(outer) {
      const late = new AbortController();
      const cancel = clock.after(timeout, () => late.abort());
      try {
        const response = await fetch(url, {
          redirect: "manual",
          credentials: "omit",
          headers: { accept: "application/jwk-set+json, application/json", ...(etag === undefined ? {} : { "if-none-match": etag }) },
          signal: AbortSignal.any([outer, late.signal]),
        });
        if (response.status === 304 && etag !== undefined) {
          await response.body?.cancel();
          return undefined;
        }
        if (response.status !== 200) {
          await response.body?.cancel();
          const moved = response.status === 0 || (response.status >= 300 && response.status < 400);
          throw new BusbarError("UNAVAILABLE", `Cannot fetch the key set: the server answers ${moved ? "with a redirect, which is not followed" : response.status}`);
        }
        const text = await readText(response, limit);
        etag = response.headers.get("etag") ?? undefined;
        return text;
      } catch (error) {
        if (late.signal.aborted) throw new BusbarError("TIMEOUT", `Cannot fetch the key set: it took more than ${timeout} ms`);
        if (error instanceof BusbarError) throw error;
        throw new BusbarError("UNAVAILABLE", "Cannot fetch the key set: the server does not answer", { cause: error });
      } finally {
        cancel();
      }
    },
  };
}

async function readText(response: Response, limit: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > limit) throw new BusbarError("TOO_LARGE", `Cannot use the key set: it has more than ${limit} bytes`); // leaving the loop ends the connection
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Reads a set from a file. */
export function fileSource(file: string, limit: number): KeySetSource {
  let seen: string | undefined;
  return {
    forget: () => (seen = undefined),
    async read() {
      try {
        const handle = await open(file, "r");
        try {
          const stat = await handle.stat();
          if (!stat.isFile()) throw new BusbarError("IO", `Cannot read the key set "${file}": it is no file`);
          if (stat.size > limit) throw new BusbarError("TOO_LARGE", `Cannot use the key set "${file}": it has ${stat.size} bytes, ${limit} are allowed`);
          const text = await handle.readFile("utf8");
          if (text === seen) return undefined;
          seen = text;
          return text;
        } finally {
          await handle.close();
        }
      } catch (error) {
        if (error instanceof BusbarError) throw error;
        const code = error instanceof Error && "code" in error ? String(error.code) : "failed";
        throw new BusbarError("IO", `Cannot read the key set "${file}": ${code}`, { cause: error });
      }
    },
  };
}
