import { call } from "./api.js";
import { byId } from "./dom.js";

/**
 * Says at the top of the page which listeners other machines reach without TLS.
 *
 * @param {string} token
 */
export async function showExposure(token) {
  const { plugins } = await call("/api/plugins", { token });
  /** @type {string[]} */
  const open = [];
  for (const { id, addresses } of plugins) for (const { what, insecure } of addresses) if (insecure) open.push(`${id} (${what})`);
  const notice = byId("insecure");
  notice.textContent = open.length === 0 ? "" : `Without TLS, open to other machines: ${open.join(", ")}`;
  notice.hidden = open.length === 0;
}
