import { byId, create, perFrame } from "./dom.js";
import { formatValue, isSealed } from "./readings.js";

/** @typedef {import("./live.ts").Message} Message */

const shown = 60;
const presenceSuffix = "/presence";

/**
 * The device and state that a presence event tells of; undefined for any other event.
 *
 * @param {Message} message
 * @returns {{ device: string, online: boolean } | undefined}
 */
export function presenceOf(message) {
  const { presence } = fieldsOf(message);
  if (!message.from.endsWith(presenceSuffix) || typeof presence !== "string") return undefined;
  return { device: message.from.slice(0, -presenceSuffix.length), online: presence === "online" };
}

/** The strip of what happened, newest first, and how many alarms stand. */
export class Events {
  /** @type {Message[]} */
  #messages = [];
  /** @type {Set<string>} */
  #seen = new Set();
  /** Alarms that stand now: when each was raised. @type {Map<string, number>} */
  #alarms = new Map();
  #draw = perFrame(() => this.#render());

  /** @param {Message} message */
  add(message) {
    const key = `${message.from} ${message.msgid}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.#messages.push(message);
    this.#messages.sort((one, other) => other.timestamp - one.timestamp);
    for (const gone of this.#messages.splice(shown)) this.#seen.delete(`${gone.from} ${gone.msgid}`);
    const { tag, level, state } = fieldsOf(message);
    const alarm = `${message.from} ${tag} ${level}`;
    if (state === "raised") this.#alarms.set(alarm, message.timestamp);
    else if (state === "cleared" && message.timestamp >= (this.#alarms.get(alarm) ?? 0)) this.#alarms.delete(alarm);
    this.#draw();
  }

  #render() {
    byId("no-events").hidden = this.#messages.length > 0;
    const badge = byId("alarms");
    badge.hidden = this.#alarms.size === 0;
    badge.textContent = `${this.#alarms.size} ${this.#alarms.size === 1 ? "alarm" : "alarms"}`;
    byId("events").replaceChildren(...this.#messages.map(renderEvent));
  }
}

/** @param {Message} message */
function renderEvent(message) {
  const state = presenceOf(message) ? "presence" : fieldsOf(message).state;
  const time = new Date(message.timestamp);
  return create("li", { class: "event", "data-state": typeof state === "string" ? state : "plain" }, create("time", { datetime: time.toISOString() }, time.toLocaleTimeString()), create("strong", {}, presenceOf(message)?.device ?? (message.to === "server" ? message.from : message.to)), create("span", { class: "what" }, describe(message)));
}

/** @param {Message} message */
function describe(message) {
  const presence = presenceOf(message);
  if (presence) return presence.online ? "connected" : "disconnected";
  if (isSealed(message.payload)) return "sealed";
  const { tag, level, state, value, unit, limit, message: said } = fieldsOf(message);
  if (typeof said === "string") return said;
  if (typeof tag === "string" && typeof state === "string") {
    const amount = isShown(value) ? ` at ${formatValue(value)}${typeof unit === "string" && unit !== "" ? " " + unit : ""}` : "";
    const against = typeof limit === "number" ? `, limit ${formatValue(limit)}` : "";
    return `${tag} ${typeof level === "string" && level !== "state" ? words(level) + " " : ""}${state}${amount}${against}`;
  }
  const text = JSON.stringify(message.payload) ?? "";
  return text.length > 160 ? text.slice(0, 159) + "…" : text;
}

/** @param {string} name `highHigh` */
function words(name) {
  return name.replace(/[A-Z]/g, (letter) => " " + letter.toLowerCase());
}

/**
 * @param {unknown} value
 * @returns {value is import("./readings.js").Value}
 */
function isShown(value) {
  return typeof value === "number" || typeof value === "boolean" || typeof value === "string";
}

/**
 * @param {Message} message
 * @returns {Record<string, unknown>}
 */
function fieldsOf({ payload }) {
  return typeof payload === "object" && payload !== null ? /** @type {Record<string, unknown>} */ (payload) : {};
}
