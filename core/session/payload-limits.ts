import type { Message } from "../envelope.ts";
import { BusbarError } from "../errors.ts";
import type { SessionLimits } from "./sessions.ts";

/** What frames and decoders allow at the most: with these nothing has to be looked at. */
const mostBytes = 64 * 1024 * 1024;
const mostLevels = 64;

/** @throws {BusbarError} TOO_LARGE when the payload is longer than the session's limit, BAD_FRAME when it is nested more deeply. */
export function checkPayload(message: Message, { payload = mostBytes, nesting = mostLevels }: SessionLimits): void {
  if (payload < mostBytes && message.payloadSize() > payload) throw new BusbarError("TOO_LARGE", `Cannot take the payload: it has ${message.payloadSize()} bytes, ${payload} are allowed`);
  if (nesting < mostLevels && depthOf(message.payload, nesting) > nesting) throw new BusbarError("BAD_FRAME", `Cannot use the payload: it is nested more than ${nesting} levels deep`);
}

/** Levels of arrays and objects, at the most one more than `enough`. */
function depthOf(value: unknown, enough: number): number {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return 0;
  if (enough === 0) return 1;
  let most = 0;
  for (const one of Object.values(value)) most = Math.max(most, depthOf(one, enough - 1));
  return most + 1;
}
