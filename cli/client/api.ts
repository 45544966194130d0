import { request as plainRequest } from "node:http";
import { request as tlsRequest } from "node:https";
import { BusbarError } from "@busbar/core";
import { Failure } from "../failure.ts";
import { oneLine } from "../terminal.ts";

/** A call of the HTTP API (WIRE §4). */
export interface ApiCall {
  /** The WebSocket URL of the gateway: the API is at the same server. */
  readonly at: URL;
  /** The authorities that may have signed its certificate, PEM; absent = those that the runtime knows. */
  readonly ca?: string | undefined;
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
export async function callApi<T>(call: ApiCall): Promise<T> {
  const { at, path, verb } = call;
  const url = new URL(path, at.href.replace(/^ws/, "http"));
  let answer: Answer;
  try {
    answer = await send(url, call);
    if (answer.status >= 200 && answer.status < 300) return JSON.parse(answer.body) as T;
  } catch (error) {
    throw new BusbarError("UNAVAILABLE", `Cannot ${verb} to ${url.href}`, { cause: error });
  }
  throw refusal(verb, answer);
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** Sends one request; redirects are not followed, as the token is for this very server. Not fetch: only here can both runtimes be given an authority. */
function send(url: URL, { token, body, ca }: ApiCall): Promise<Answer> {
  const text = body === undefined ? undefined : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const options = {
      method: text === undefined ? "GET" : "POST",
      agent: false,
      headers: { authorization: `Bearer ${token}`, ...(text === undefined ? {} : { "content-type": "application/json", "content-length": String(Buffer.byteLength(text)) }) },
      signal: AbortSignal.timeout(30_000),
    } as const;
    const request = url.protocol === "https:" ? tlsRequest(url, { ...options, ...(ca === undefined ? {} : { ca }) }) : plainRequest(url, options);
    request.on("error", reject);
    request.on("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString("utf8") }));
    });
    request.end(text);
  });
}

/** An answer of RFC 9457 as an error. */
function refusal(verb: string, { status, body }: Answer): Error {
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
