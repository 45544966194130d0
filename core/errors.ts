/**
 * Codes that a peer sees on the wire (WIRE §2) followed by those that only a caller or the command line sees. DAMAGED: what was stored is not as it was written.
 * REFUSED: the other side will never take it, trying again is of no use.
 */
export type ErrorCode =
  | "BAD_FRAME"
  | "FORBIDDEN"
  | "OVERLOAD"
  | "UNKNOWN_OFFSET"
  | "TOO_LARGE"
  | "DUPLICATE_REF"
  | "UNAUTHENTICATED"
  | "NOT_FOUND"
  | "TIMEOUT"
  | "UNAVAILABLE"
  | "CONFIG"
  | "IO"
  | "DAMAGED"
  | "REFUSED"
  | "CLOSED"
  | "INTERNAL";

/** What a BusbarError may carry besides its message. */
export interface BusbarErrorOptions {
  /** What brought it about; goes to the log, never to a peer. */
  readonly cause?: unknown;
  /** Whether the same call may succeed later without anybody changing anything. Default: true for OVERLOAD, TIMEOUT, UNAVAILABLE and IO. */
  readonly retryable?: boolean;
  /** Milliseconds after which whoever refused wants to be asked again (RFC 9110 §10.2.3, Retry-After). */
  readonly retryAfter?: number | undefined;
  /** For a reader of the journal: what lies up to this offset cannot be had (any more), reading goes on after it. With UNKNOWN_OFFSET and DAMAGED. */
  readonly resumeAfter?: number | undefined;
  /** Which entries of a batch are meant; absent = all of them. With REFUSED. */
  readonly offsets?: readonly number[] | undefined;
  /** What is wrong with single entries, by offset, where the message does not say it for all. With REFUSED. */
  readonly reasons?: ReadonlyMap<number, string> | undefined;
}

const retryableCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["OVERLOAD", "TIMEOUT", "UNAVAILABLE", "IO"]);

/**
 * What a caller is expected to handle. Branch on `code`, never on the text. Misuse of an API is a TypeError, RangeError or
 * SyntaxError instead.
 */
export class BusbarError extends Error {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly retryAfter: number | undefined;
  readonly resumeAfter: number | undefined;
  readonly offsets: readonly number[] | undefined;
  readonly reasons: ReadonlyMap<number, string> | undefined;

  constructor(code: ErrorCode, message: string, options: BusbarErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "BusbarError";
    this.code = code;
    this.retryable = options.retryable ?? retryableCodes.has(code);
    this.retryAfter = options.retryAfter;
    this.resumeAfter = options.resumeAfter;
    this.offsets = options.offsets;
    this.reasons = options.reasons;
  }
}

/** The error's code, or INTERNAL for anything that is not a BusbarError. */
export function errorCode(error: unknown): ErrorCode {
  return error instanceof BusbarError ? error.code : "INTERNAL";
}

/** One line for the log: the message of the error and of each cause below it that is not said yet. */
export function errorText(error: unknown): string {
  const parts: string[] = [];
  for (let at: unknown = error, depth = 0; at !== undefined && at !== null && depth < 5; depth++) {
    const text = at instanceof Error ? at.message || at.name : String(at);
    if (!parts.some((part) => part.includes(text))) parts.push(text);
    at = at instanceof Error ? at.cause : undefined;
  }
  return parts.join(": ");
}
