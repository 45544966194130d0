import { BusbarError, errorCode, type ErrorCode } from "@busbar/core";
import { securityHeaders } from "./security-headers.ts";

/** Statuses this API answers with when something is wrong. */
export type ProblemStatus = 400 | 401 | 403 | 404 | 405 | 408 | 409 | 410 | 413 | 415 | 417 | 421 | 422 | 426 | 429 | 431 | 500 | 503 | 504;

const titles: Readonly<Record<ProblemStatus, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  409: "Conflict",
  410: "Gone",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  417: "Expectation Failed",
  421: "Misdirected Request",
  422: "Unprocessable Content",
  426: "Upgrade Required",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
  504: "Gateway Timeout",
};

/** What a problem may say besides its status. */
export interface ProblemOptions {
  /** For a person: what is wrong with this request. Never internals. */
  readonly detail?: string | undefined;
  /** For a program: one of the error codes of WIRE §2, or of core. */
  readonly code?: ErrorCode | undefined;
  /** Extension members (RFC 9457 §3.2). */
  readonly members?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** An answer that says what is wrong, as RFC 9457 wants it. Thrown by handlers; the app turns it into the response. */
export class Problem extends Error {
  readonly status: ProblemStatus;
  readonly options: ProblemOptions;

  constructor(status: ProblemStatus, options: ProblemOptions = {}) {
    super(options.detail ?? titles[status], options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "Problem";
    this.status = status;
    this.options = options;
  }

  /** The JSON text of the body. `type` is `about:blank`: the status says which kind it is (RFC 9457 §4.2.1). */
  body(): string {
    const { detail, code, members } = this.options;
    return JSON.stringify({ type: "about:blank", title: titles[this.status], status: this.status, ...(detail === undefined ? {} : { detail }), ...(code === undefined ? {} : { code }), ...members });
  }

  /** The response: `application/problem+json`. */
  response(): Response {
    return new Response(this.body(), { status: this.status, headers: { "content-type": "application/problem+json", "cache-control": "no-store", ...this.options.headers } });
  }

  /** The response as the bytes of HTTP/1.1 that end a bare connection: for upgrades and for requests that never became one. */
  raw(encrypted: boolean): string {
    const body = this.body();
    const headers = [["content-type", "application/problem+json"], ["content-length", Buffer.byteLength(body)], ["connection", "close"], ["cache-control", "no-store"], ...securityHeaders(encrypted), ...Object.entries(this.options.headers ?? {})];
    return `HTTP/1.1 ${this.status} ${titles[this.status]}\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n${body}`;
  }
}

const statuses: Readonly<Record<ErrorCode, ProblemStatus>> = {
  BAD_FRAME: 422,
  FORBIDDEN: 403,
  OVERLOAD: 503,
  UNKNOWN_OFFSET: 410,
  TOO_LARGE: 413,
  DUPLICATE_REF: 409,
  UNAUTHENTICATED: 401,
  NOT_FOUND: 404,
  TIMEOUT: 504,
  UNAVAILABLE: 503,
  CONFIG: 500,
  IO: 503,
  DAMAGED: 500,
  REFUSED: 500,
  CLOSED: 503,
  INTERNAL: 500,
};

/** The problem that an error is to its client: the text of what the client can mend, only the code of everything else. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const code = errorCode(error);
  const status = statuses[code];
  const options: ProblemOptions = { code, cause: error };
  if (status === 401) return unauthenticated(error);
  if (status === 503) return new Problem(503, { ...options, detail: code === "UNAVAILABLE" && error instanceof BusbarError ? error.message : "The gateway cannot take this now", headers: { "retry-after": "1" } });
  if (status >= 500 || !(error instanceof Error)) return new Problem(status, options);
  return new Problem(status, { ...options, detail: error.message });
}

/** 401: no token (`cause` absent), or one that is not believed. Why not is for the log alone (RFC 6750 §3.1). */
export function unauthenticated(cause?: unknown): Problem {
  return new Problem(401, {
    code: "UNAUTHENTICATED",
    detail: cause === undefined ? "A bearer token is needed" : "The token is not valid",
    headers: { "www-authenticate": cause === undefined ? 'Bearer realm="busbar"' : 'Bearer realm="busbar", error="invalid_token"' },
    cause,
  });
}

/** 403: who it is is known, and it may not. */
export function forbidden(action: string): Problem {
  return new Problem(403, { code: "FORBIDDEN", detail: `Cannot ${action}: the right is missing`, headers: { "www-authenticate": 'Bearer realm="busbar", error="insufficient_scope"' } });
}
