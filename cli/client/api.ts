import { BusbarError } from "@busbar/core";
import { Failure } from "../failure.ts";
import { oneLine } from "../terminal.ts";

/** A call of the HTTP API (WIRE §4). */
export interface ApiCall {
  /** The WebSocket URL of the gateway: the API is at the same server. */
  readonly at: URL;
  readonly token: string;
  /** With the query. */
  readonly path: string;
  /** Makes it a POST. */
  readonly body?: object;
  /** What the call is for, as in "Cannot <verb>". */
  readonly verb: string;
}

/**
 * Calls the API and gives what it answers.
 * @throws {BusbarError} UNAVAILABLE when nobody answers, or with a status from 500 on; FORBIDDEN with 401 and 403. {Failure} 65 with any other error.
 */
export async function callApi<T>({ at, token, path, body, verb }: ApiCall): Promise<T> {
  const url = new URL(path, at.href.replace(/^ws/, "http"));
  let response: Response;
  try {
    response = await fetch(url, {
      method: body === undefined ? "GET" : "POST",
      headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { "content-type": "application/json" }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000),
    });
  } catch (error) {
    throw new BusbarError("UNAVAILABLE", `Cannot ${verb} to ${url.href}`, { cause: error });
  }
  if (response.ok) return (await response.json()) as T;
  throw refusal(verb, { status: response.status, body: await response.text() });
}

/** An answer of RFC 9457 as an error. */
function refusal(verb: string, { status, body }: { readonly status: number; readonly body: string }): Error {
  let detail = "";
  try {
    const problem = JSON.parse(body) as { readonly title?: unknown; readonly detail?: unknown };
    detail = String(problem.detail ?? problem.title ?? "");
  } catch {
    detail = body.slice(0, 200); // what answers there is no gateway
  }
  const text = `the gateway answers ${status}${detail === "" ? "" : `: ${detail}`}`;
  if (status === 401 || status === 403) return new BusbarError("FORBIDDEN", `Cannot ${verb}: ${text}`);
  return status < 500 ? new Failure(65, [`busbar: cannot ${verb}: ${oneLine(text)}`]) : new BusbarError("UNAVAILABLE", `Cannot ${verb}: ${text}`);
}
