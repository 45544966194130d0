import type { IncomingHttpHeaders } from "node:http";

/** What came back for a request. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The beginning of the body, at most 64 KiB. */
  readonly body: string;
}

/** What an answer means for the messages of its request. */
export type Verdict =
  /** They have arrived, except those that the answer names. */
  | { readonly kind: "taken"; readonly refused: readonly NamedRefusal[] }
  /** The request is too large: fewer messages may do. */
  | { readonly kind: "too-large"; readonly reason: string }
  /** There is something wrong with the messages, or with those that the answer names. */
  | { readonly kind: "refused"; readonly reason: string; readonly refused: readonly NamedRefusal[] }
  /** Later; `after` milliseconds where the answer says when. */
  | { readonly kind: "later"; readonly reason: string; readonly after?: number | undefined }
  /** Not the messages' fault: the address, the token or the server's config is wrong. Somebody has to mend it. */
  | { readonly kind: "misconfigured"; readonly reason: string };

/** A message that an answer refuses by name. */
export interface NamedRefusal {
  readonly msgid?: string | undefined;
  readonly offset?: number | undefined;
  readonly reason: string;
}

/** Statuses with which a server says that it understood the request and will never take what is in it (RFC 9110 §15.5). */
const refusing: ReadonlySet<number> = new Set([400, 406, 409, 415, 422]);
/** Statuses that are about time, not about the request: 408 Request Timeout, 421 Misdirected, 423 Locked, 425 Too Early. */
const passing: ReadonlySet<number> = new Set([408, 421, 423, 425]);

/** Judges an answer. `now`: milliseconds since the Unix epoch, for a Retry-After that is a date. */
export function judgeAnswer({ status, headers, body }: HttpAnswer, now: number): Verdict {
  const reason = reasonOf(status, body);
  if (status >= 200 && status < 300) return { kind: "taken", refused: namedRefusals(body) };
  if (status === 413) return { kind: "too-large", reason };
  if (refusing.has(status)) return { kind: "refused", reason, refused: namedRefusals(body) };
  if (status === 429 || status >= 500 || passing.has(status)) return { kind: "later", reason, after: parseRetryAfter(headers["retry-after"], now) };
  return { kind: "misconfigured", reason };
}

/**
 * Retry-After in milliseconds: seconds or an HTTP-date (RFC 9110 §10.2.3); undefined where there is none, or none that can be read. A date in the past is 0.
 */
export function parseRetryAfter(text: string | undefined, now: number): number | undefined {
  if (text === undefined) return undefined;
  const trimmed = text.trim();
  if (/^\d+$/.test(trimmed)) return Number(trimmed) * 1000;
  const date = /^[A-Z][a-z]/.test(trimmed) ? Date.parse(trimmed) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** `{"refused": [{"msgid" | "offset", "reason"?}]}` in an answer names messages that were refused while the others were taken. */
function namedRefusals(body: string): readonly NamedRefusal[] {
  if (!body.includes('"refused"')) return [];
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return [];
  }
  const { refused } = (typeof value === "object" && value !== null ? value : {}) as { readonly refused?: unknown };
  if (!Array.isArray(refused)) return [];
  return refused.flatMap((one: unknown): NamedRefusal[] => {
    if (typeof one !== "object" || one === null) return [];
    const { msgid, offset, reason } = one as Readonly<Record<string, unknown>>;
    const text = typeof reason === "string" ? reason.slice(0, 200) : "the server names it as refused";
    if (typeof msgid === "string") return [{ msgid, reason: text }];
    return Number.isSafeInteger(offset) ? [{ offset: offset as number, reason: text }] : [];
  });
}

/** `answered 422: <the first words of the answer>` in one line. */
function reasonOf(status: number, body: string): string {
  const words = body.replace(/[\p{Cc}\s]+/gu, " ").trim().slice(0, 200);
  return `answered ${status}${words === "" ? "" : `: ${words}`}`;
}
