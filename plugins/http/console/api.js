/** An answer of the API that says what is wrong (RFC 9457). */
export class ApiError extends Error {
  /** @type {number} */
  status;

  /**
   * @param {number} status 0 when the gateway did not answer
   * @param {string} message
   */
  constructor(status, message) {
    super(message);
    this.name = "ApiError";
    this.status = status;
  }
}

/**
 * Calls the API of the gateway that served this page.
 *
 * @param {string} path
 * @param {{ token?: string, body?: unknown, signal?: AbortSignal }} [options] with a body it is a POST
 * @returns {Promise<any>}
 */
export async function call(path, { token, body, signal } = {}) {
  /** @type {Record<string, string>} */
  const headers = {};
  if (token !== undefined) headers.authorization = `Bearer ${token}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method: body === undefined ? "GET" : "POST", headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }), ...(signal ? { signal } : {}), cache: "no-store" });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, "The gateway does not answer");
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  throw new ApiError(response.status, answer.detail ?? answer.title ?? `The gateway answered ${response.status}`);
}

/**
 * The id that a token stands for; undefined when it is no JWT. It is only read, not believed: the gateway checks it.
 *
 * @param {string} token
 * @returns {string | undefined}
 */
export function subjectOf(token) {
  try {
    const part = (token.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/");
    const { sub } = JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(part), (char) => char.charCodeAt(0))));
    return typeof sub === "string" ? sub : undefined;
  } catch {
    return undefined;
  }
}
