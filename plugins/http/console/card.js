import { create } from "./dom.js";
import { Recent } from "./points.js";
import { formatValue, numberOf } from "./readings.js";
import { Switch } from "./switch.js";

/**
 * @typedef {import("./readings.js").Reading} Reading
 * @typedef {import("./readings.js").Value} Value
 * @typedef {{ value: Value, unit: string, quality: string, time: number, readonly recent: Recent }} Tag
 * @typedef {{ button: HTMLElement, text: HTMLElement, unit: HTMLElement }} Row
 */

const folded = 10;

/** One device: its values as rows that are buttons, and its switch where it has one. */
export class Card {
  /** @type {Map<string, Tag>} */
  tags = new Map();
  element;
  lastSeen = 0;
  online = false;
  #expanded = false;
  /** @type {Map<string, Row>} */
  #rows = new Map();
  /** @type {Set<string>} */
  #changed = new Set();
  /** @type {Switch | undefined} */
  #switch;
  /** Tags there were when the rows were laid out. */
  #laidOut = 0;
  #filter = "";
  #selected = "";
  #presence = create("span", { class: "presence", role: "img" });
  #head;
  #list = create("div", { class: "rows" });
  #more = create("button", { class: "plain more", type: "button", hidden: true, onclick: () => this.#toggle() });
  #id;
  #options;

  /**
   * @param {string} id
   * @param {{ readonly session: { readonly token: string }, readonly pick: (tag: string) => void }} options
   */
  constructor(id, options) {
    this.#id = id;
    this.#options = options;
    this.#head = create("div", { class: "card-head" }, this.#presence, create("h3", {}, id));
    this.element = create("article", { class: "panel card", "aria-label": id, "data-device": id }, this.#head, this.#list, this.#more);
  }

  /**
   * Takes a reading; drawn by the next `flush`.
   *
   * @param {Reading} reading
   * @param {number} time
   */
  take({ tag: name, value, unit, quality }, time) {
    let tag = this.tags.get(name);
    if (!tag) {
      tag = { value, unit, quality, time: 0, recent: new Recent() };
      this.tags.set(name, tag);
    }
    const number = numberOf(value);
    if (number !== undefined) tag.recent.add({ time, value: number });
    if (time < tag.time) return;
    tag.value = value;
    tag.unit = unit === "" ? tag.unit : unit;
    tag.quality = quality;
    tag.time = time;
    this.#changed.add(name);
  }

  /**
   * @param {boolean} online as the gateway says, or as a report just now proves
   * @param {number} lastSeen ms since the Unix epoch
   */
  presence(online, lastSeen) {
    this.online = online;
    this.lastSeen = Math.max(this.lastSeen, lastSeen);
  }

  /**
   * Whether anything of it matches; only what does is shown.
   *
   * @param {string} text lower case
   */
  filter(text) {
    this.#filter = this.#id.toLowerCase().includes(text) ? "" : text;
    const found = this.#names().length > 0;
    this.element.hidden = !found;
    this.#layout();
    return found;
  }

  /** @param {string} tag marked as the one in the chart; "" = none */
  select(tag) {
    this.#rows.get(this.#selected)?.button.setAttribute("aria-pressed", "false");
    this.#selected = tag;
    this.#rows.get(tag)?.button.setAttribute("aria-pressed", "true");
  }

  /** Whether there is something to switch on and off. */
  get switchable() {
    return typeof this.tags.get("on")?.value === "boolean";
  }

  /** Draws what has changed. */
  flush() {
    const on = this.tags.get("on");
    if (on && typeof on.value === "boolean") {
      if (!this.#switch) {
        this.#switch = new Switch(this.#id, this.#options.session);
        this.#head.append(this.#switch.element);
      }
      this.#switch.set(on.value);
    }
    if (this.tags.size !== this.#laidOut) this.#layout();
    for (const name of this.#changed) {
      const row = this.#rows.get(name);
      if (row) this.#fill(row, name);
    }
    this.#changed.clear();
  }

  /** Draws whether the device is there. */
  flushPresence() {
    const state = String(this.online);
    if (this.#presence.dataset.online === state) return;
    this.#presence.dataset.online = state;
    this.#presence.setAttribute("aria-label", this.online ? "online" : "offline");
    this.#presence.title = this.online ? "online" : `last seen ${new Date(this.lastSeen).toLocaleString()}`;
  }

  #toggle() {
    this.#expanded = !this.#expanded;
    this.#layout();
  }

  #limit() {
    return this.#expanded ? Infinity : folded;
  }

  #names() {
    const names = [...this.tags.keys()].sort(byName);
    return this.#filter === "" ? names : names.filter((name) => name.toLowerCase().includes(this.#filter));
  }

  /** Makes the rows that are to be seen, and lets go of the others. */
  #layout() {
    this.#laidOut = this.tags.size;
    const names = this.#names().slice(0, this.#limit());
    /** @type {Map<string, Row>} */
    const rows = new Map();
    for (const name of names) {
      const row = this.#rows.get(name) ?? this.#row(name);
      this.#fill(row, name);
      rows.set(name, row);
    }
    this.#rows = rows;
    const wanted = [...rows.values()].map(({ button }) => button);
    if (wanted.length !== this.#list.children.length || wanted.some((button, at) => this.#list.children[at] !== button)) this.#list.replaceChildren(...wanted);
    this.#foldText();
  }

  #foldText() {
    const count = this.#names().length;
    this.#more.hidden = count <= folded;
    this.#more.textContent = this.#expanded ? "Show fewer" : `Show all ${count} values`;
    this.#more.setAttribute("aria-expanded", String(this.#expanded));
  }

  /**
   * @param {string} name
   * @returns {Row}
   */
  #row(name) {
    const text = create("span", { class: "value" });
    const unit = create("span", { class: "unit" });
    const button = create("button", { class: "row", type: "button", "aria-pressed": String(name === this.#selected), "data-tag": name, onclick: () => this.#options.pick(name) }, create("span", { class: "tag" }, name), text, unit);
    return { button, text, unit };
  }

  /**
   * @param {Row} row
   * @param {string} name
   */
  #fill(row, name) {
    const tag = this.tags.get(name);
    if (!tag) return;
    const text = formatValue(tag.value);
    if (row.text.textContent !== text) row.text.textContent = text;
    if (row.unit.textContent !== tag.unit) row.unit.textContent = tag.unit;
    if (row.button.dataset.quality !== tag.quality) {
      row.button.dataset.quality = tag.quality;
      row.button.title = tag.quality === "good" ? "" : `quality: ${tag.quality}`;
    }
  }
}

/**
 * @param {string} one
 * @param {string} other
 */
export function byName(one, other) {
  return order.compare(one, other);
}

const order = new Intl.Collator("en", { numeric: true });
