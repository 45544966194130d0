import type { Overflow } from "../bus.ts";
import { BusbarError } from "../errors.ts";

/** Most deliveries that a subscription may let wait (WIRE §2). */
const maxLimit = 100_000;

const policies: ReadonlySet<unknown> = new Set<Overflow>(["drop-oldest", "drop-newest", "latest", "disconnect"]);

/**
 * Checks the overflow fields of a subscribe frame, whatever its encoding; undefined = not given.
 * @throws {BusbarError} BAD_FRAME naming the field that is wrong.
 */
export function checkOverflow(overflow: string | undefined, limit: unknown): { readonly overflow?: Overflow; readonly limit?: number } {
  if (overflow !== undefined && !policies.has(overflow)) throw new BusbarError("BAD_FRAME", `Cannot use the field "overflow": it must be one of ${[...policies].join(", ")}`);
  if (limit !== undefined && !(Number.isInteger(limit) && (limit as number) >= 1 && (limit as number) <= maxLimit)) throw new BusbarError("BAD_FRAME", `Cannot use the field "limit": it must be 1 to ${maxLimit}`);
  return { ...(overflow !== undefined && { overflow: overflow as Overflow }), ...(limit !== undefined && { limit: limit as number }) };
}
