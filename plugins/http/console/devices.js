import { call } from "./api.js";
import { byName, Card } from "./card.js";
import { byId, create, perFrame } from "./dom.js";
import { readingsOf } from "./readings.js";

/** @typedef {{ readonly id: string, readonly online: boolean, readonly lastSeen: number, readonly values: Record<string, { value: import("./readings.js").Value, unit?: string, quality: string, timestamp: number }> }} DeviceRecord */

const cardsShown = 80;

/** All devices: takes what they report at any rate, draws at most once per frame. */
export class Devices {
  /** @type {Map<string, Card>} */
  #cards = new Map();
  /** @type {Set<Card>} */
  #changed = new Set();
  #filter = "";
  #session;
  #pick;
  /** @type {{ device: string, tag: string } | undefined} */
  #selected;
  #layoutDue = false;
  #draw = perFrame(() => this.#flush());

  /**
   * @param {{ readonly token: string }} session
   * @param {(device: string, tag: string) => void} pick
   */
  constructor(session, pick) {
    this.#session = session;
    this.#pick = pick;
    const field = /** @type {HTMLInputElement} */ (byId("filter"));
    field.oninput = () => {
      this.#filter = field.value.trim().toLowerCase();
      this.#layoutDue = true;
      this.#draw();
    };
  }

  /** Fetches what is known of every device: its last values and whether it is online. */
  async load() {
    let cursor;
    do {
      /** @type {{ devices: DeviceRecord[], next?: string }} */
      const page = await call(`/api/devices?limit=1000${cursor === undefined ? "" : `&cursor=${encodeURIComponent(cursor)}`}`, { token: this.#session.token });
      for (const { id, online, lastSeen, values } of page.devices) {
        const card = this.#card(id);
        card.presence(online, lastSeen);
        for (const [tag, { value, unit = "", quality, timestamp }] of Object.entries(values)) card.take({ tag, value, unit, quality }, timestamp);
        this.#changed.add(card);
      }
      cursor = page.next;
    } while (cursor !== undefined);
    this.#layoutDue = true;
    this.#draw();
  }

  /**
   * Takes a status message. Returns its readings.
   *
   * @param {import("./live.ts").Message} message
   */
  take(message) {
    const id = message.to === "server" ? message.from : message.to;
    const readings = readingsOf(message.payload);
    if (readings.length === 0) return readings;
    const card = this.#card(id);
    const before = card.tags.size;
    for (const reading of readings) card.take(reading, reading.time ?? message.timestamp);
    card.presence(true, message.timestamp);
    if (card.tags.size !== before) this.#layoutDue = true;
    this.#changed.add(card);
    this.#draw();
    return readings;
  }

  /**
   * Takes a presence event.
   *
   * @param {string} id
   * @param {boolean} online
   * @param {number} time
   */
  presence(id, online, time) {
    this.#cards.get(id)?.presence(online, time);
    this.#draw();
  }

  /**
   * What is known of a tag now.
   *
   * @param {string} device
   * @param {string} tag
   */
  tag(device, tag) {
    return this.#cards.get(device)?.tags.get(tag);
  }

  /** @param {string} device */
  isOnline(device) {
    return this.#cards.get(device)?.online ?? false;
  }

  /** @param {{ device: string, tag: string } | undefined} picked the one in the chart */
  select(picked) {
    if (this.#selected) this.#cards.get(this.#selected.device)?.select("");
    this.#selected = picked;
    if (picked) this.#cards.get(picked.device)?.select(picked.tag);
  }

  /** @param {string} id */
  #card(id) {
    let card = this.#cards.get(id);
    if (!card) {
      card = new Card(id, { session: this.#session, pick: (tag) => this.#pick(id, tag) });
      this.#cards.set(id, card);
      this.#layoutDue = true;
    }
    return card;
  }

  #flush() {
    for (const card of this.#changed) if (card.element.isConnected) card.flush();
    this.#changed.clear();
    if (this.#layoutDue) this.#layout();
    for (const card of this.#cards.values()) if (card.element.isConnected) card.flushPresence();
  }

  #layout() {
    this.#layoutDue = false;
    const ids = [...this.#cards.keys()].sort(byName);
    const matching = ids.map((id) => /** @type {Card} */ (this.#cards.get(id))).filter((card) => card.filter(this.#filter));
    const found = [...matching.filter(({ switchable }) => switchable), ...matching.filter(({ switchable }) => !switchable)];
    const shown = found.slice(0, cardsShown);
    for (const card of shown) card.flush();
    const root = byId("devices");
    const wanted = [...shown.map(({ element }) => element), ...(found.length > shown.length ? [create("p", { class: "panel muted" }, `${found.length - shown.length} more devices: filter to find them.`)] : [])];
    if (wanted.length !== root.children.length || wanted.some((element, at) => root.children[at] !== element)) root.replaceChildren(...wanted);
    const values = found.reduce((sum, card) => sum + card.tags.size, 0);
    byId("count").textContent = `${found.length} ${found.length === 1 ? "device" : "devices"}, ${values} values`;
    const empty = byId("empty");
    empty.hidden = found.length > 0;
    empty.textContent = this.#filter === "" ? "Nothing has reported yet." : "Nothing matches the filter.";
  }
}
