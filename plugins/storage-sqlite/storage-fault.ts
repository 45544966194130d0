import type { ErrorCode } from "@busbar/core";

/**
 * What a caller of the worker is expected to handle: becomes the BusbarError of the same code on the main thread. The worker itself loads nothing of the
 * kernel: that would cost every gateway 30 MB and a quarter of a second.
 */
export class StorageFault extends Error {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  /** The last offset of what cannot be had; with UNKNOWN_OFFSET and DAMAGED of a read. */
  readonly resumeAfter: number | undefined;

  constructor(code: ErrorCode, message: string, options: { readonly cause?: unknown; readonly retryable?: boolean; readonly resumeAfter?: number } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "StorageFault";
    this.code = code;
    this.retryable = options.retryable ?? (code === "OVERLOAD" || code === "UNAVAILABLE" || code === "IO");
    this.resumeAfter = options.resumeAfter;
  }
}
