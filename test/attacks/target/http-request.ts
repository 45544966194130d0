import { RawSocket } from "./raw-socket.ts";

/** A request, byte for byte as it is given. */
export interface HttpRequest {
  /** Default GET, or POST with a body. */
  readonly method?: string;
  /** The request target as it stands in the first line: nothing is encoded or made shorter. */
  readonly path: string;
  readonly token?: string;
  /** Besides `host`, `connection: close`, and for a body its length and `application/json`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Text as it is, anything else as JSON. */
  readonly body?: unknown;
}

/** An answer. */
export interface HttpAnswer {
  readonly status: number;
  /** By name in small letters; the last of several. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** The whole of it, as it came, in latin1. */
  readonly raw: string;
  /** The body as JSON. @throws {SyntaxError} when it is none. */
  json<T = Record<string, unknown>>(): T;
}

/** Sends one request over a socket of its own and reads the answer until the connection ends. @throws {Error} when there is no answer. */
export async function sendRequest(port: number, request: HttpRequest): Promise<HttpAnswer> {
  const socket = await new RawSocket(port).opened();
  socket.write(formatRequest(port, request));
  await socket.ended();
  return parseAnswer(socket.received);
}

/** The bytes of a request, as latin1. */
export function formatRequest(port: number, { method, path, token, headers = {}, body }: HttpRequest): string {
  const text = body === undefined ? undefined : Buffer.from(typeof body === "string" ? body : JSON.stringify(body)).toString("latin1");
  const all = {
    host: `127.0.0.1:${port}`,
    connection: "close",
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(text === undefined ? {} : { "content-type": "application/json", "content-length": String(text.length) }),
    ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])), // in the place of those above, never besides
  };
  return `${method ?? (text === undefined ? "GET" : "POST")} ${path} HTTP/1.1\r\n${Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n${text ?? ""}`;
}

/** Reads an answer (RFC 9112): a body of known length, in chunks, or until the end. @throws {Error} when it is none. */
export function parseAnswer(raw: string): HttpAnswer {
  const [, status, head, rest = ""] = /^HTTP\/1\.1 (\d{3})[^\r]*\r\n((?:[^\r]+\r\n)*)\r\n([\s\S]*)$/.exec(raw) ?? [];
  if (status === undefined) throw new Error(`Cannot read an answer: ${JSON.stringify(raw.slice(0, 200))}`);
  const headers = Object.fromEntries(head!.split("\r\n").filter(Boolean).map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]));
  const bytes = headers["transfer-encoding"] === "chunked" ? joinChunks(rest) : rest;
  const body = Buffer.from(bytes, "latin1").toString("utf8");
  return { status: Number(status), headers, body, raw, json: <T>() => JSON.parse(body) as T };
}

function joinChunks(text: string): string {
  let joined = "";
  for (let at = 0; ; ) {
    const end = text.indexOf("\r\n", at);
    const size = Number.parseInt(text.slice(at, end), 16);
    if (end < 0 || !(size > 0)) return joined;
    joined += text.slice(end + 2, end + 2 + size);
    at = end + 4 + size;
  }
}
