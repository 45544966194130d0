import { BusbarError, errorCode, errorText, type ErrorCode } from "../../errors.ts";

const codes: ReadonlySet<string> = new Set<ErrorCode>(["BAD_FRAME", "FORBIDDEN", "OVERLOAD", "UNKNOWN_OFFSET", "TOO_LARGE", "DUPLICATE_REF", "UNAUTHENTICATED", "NOT_FOUND", "TIMEOUT", "UNAVAILABLE", "CONFIG", "IO", "DAMAGED", "REFUSED", "CLOSED", "INTERNAL"]);

/** An error as plain values. */
export function packError(error: unknown): object {
  const { retryable, retryAfter, resumeAfter, offsets, reasons } = error instanceof BusbarError ? error : {};
  return { code: errorCode(error), message: errorText(error).slice(0, 2000), retryable, retryAfter, resumeAfter, offsets, reasons: reasons && [...reasons] };
}

/** The error that plain values stand for; whatever they are, it is one. */
export function unpackError(value: unknown): BusbarError {
  const { code, message, retryable, retryAfter, resumeAfter, offsets, reasons } = (typeof value === "object" && value !== null ? value : {}) as Readonly<Record<string, unknown>>;
  const number = (one: unknown): number | undefined => (typeof one === "number" && Number.isFinite(one) && one >= 0 ? one : undefined);
  return new BusbarError(typeof code === "string" && codes.has(code) ? (code as ErrorCode) : "INTERNAL", typeof message === "string" ? message.slice(0, 2000) : "it says nothing", {
    ...(typeof retryable === "boolean" ? { retryable } : {}),
    retryAfter: number(retryAfter),
    resumeAfter: number(resumeAfter),
    offsets: Array.isArray(offsets) ? offsets.filter((one) => Number.isSafeInteger(one)) : undefined,
    reasons: Array.isArray(reasons) ? new Map(reasons.flatMap((pair: unknown): [number, string][] => (Array.isArray(pair) && Number.isSafeInteger(pair[0]) && typeof pair[1] === "string" ? [[pair[0] as number, pair[1].slice(0, 1000)]] : []))) : undefined,
  });
}
