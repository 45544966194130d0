import { ApiError, call, subjectOf } from "./api.js";
import { byId } from "./dom.js";

const key = "busbar.session";

/**
 * The token of this tab: the one it has, else the one that the link's code is traded for. The code leaves the address bar before anything else happens.
 *
 * @returns {Promise<{ token?: string, message?: string }>} without a token, why there is none
 */
export async function openSession() {
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  if (location.hash !== "") history.replaceState(null, "", location.pathname + location.search);
  if (code !== null) {
    try {
      return { token: keepSession(await call("/api/console/session", { body: { code } })) };
    } catch (error) {
      const kept = readSession();
      if (kept !== undefined) return { token: kept };
      return { message: error instanceof ApiError ? error.message : "The link could not be used" };
    }
  }
  const token = readSession();
  return token === undefined ? { message: "Open the link that busbar start printed, or paste a token." } : { token };
}

/**
 * Shows the form until a token is given.
 *
 * @param {string} message
 * @returns {Promise<string>}
 */
export function askForToken(message) {
  const form = /** @type {HTMLFormElement} */ (byId("login-form"));
  const field = /** @type {HTMLInputElement} */ (byId("token"));
  byId("login-message").textContent = message;
  byId("login").hidden = false;
  byId("console").hidden = true;
  field.value = "";
  field.focus();
  return new Promise((resolve) => {
    form.onsubmit = (event) => {
      event.preventDefault();
      const token = field.value.trim();
      if (subjectOf(token) === undefined) {
        byId("login-message").textContent = "This is no token of this gateway: it has three parts, joined by dots.";
        return;
      }
      byId("login").hidden = true;
      resolve(keepSession({ token }));
    };
  });
}

/** Forgets the token. */
export function endSession() {
  sessionStorage.removeItem(key);
}

/** @param {{ token: string, expires?: number }} session */
function keepSession(session) {
  sessionStorage.setItem(key, JSON.stringify(session));
  return session.token;
}

/** @returns {string | undefined} */
function readSession() {
  try {
    const { token, expires } = JSON.parse(sessionStorage.getItem(key) ?? "{}");
    return typeof token === "string" && !(expires <= Date.now()) ? token : undefined;
  } catch {
    return undefined;
  }
}
