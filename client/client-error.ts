/**
 * What a caller of the client may have to handle. The first six are what the gateway answers (WIRE §2). UNAUTHENTICATED: it does not believe the token. REPLACED: a newer connection speaks
 * for this id. DROPPED: the buffer was full, and its policy let go of the message. EXPIRED: it was of no use any more before it could be sent. TIMEOUT: nobody answered in time. UNAVAILABLE: no
 * connection. SEALED: none of the keys opens a sealed payload, or it is not what was sealed. CLOSED: the client was closed. IO: the store failed. HANDLER: a function that the caller passed in has thrown.
 */
export type ClientErrorCode =
  | "BAD_FRAME"
  | "FORBIDDEN"
  | "OVERLOAD"
  | "UNKNOWN_OFFSET"
  | "TOO_LARGE"
  | "DUPLICATE_REF"
  | "UNAUTHENTICATED"
  | "REPLACED"
  | "DROPPED"
  | "EXPIRED"
  | "TIMEOUT"
  | "UNAVAILABLE"
  | "CLOSED"
  | "IO"
  | "HANDLER"
  | "SEALED";

const retryable: ReadonlySet<ClientErrorCode> = new Set<ClientErrorCode>(["OVERLOAD", "TIMEOUT", "UNAVAILABLE", "IO"]);

/** What the client rejects with, and what it tells of in `problem`. Branch on `code`, never on the text. */
export class ClientError extends Error {
  readonly code: ClientErrorCode;
  /** Whether the same may succeed later without anybody changing anything. */
  readonly retryable: boolean;
  /** The close code (WIRE §2) where a connection has ended. */
  readonly closeCode: number | undefined;

  constructor(code: ClientErrorCode, message: string, options: { readonly cause?: unknown; readonly closeCode?: number | undefined } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "ClientError";
    this.code = code;
    this.retryable = retryable.has(code);
    this.closeCode = options.closeCode;
  }
}
