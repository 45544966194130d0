import uPlot from "./uplot.js";
import { ApiError, call } from "./api.js";
import { byId, create, perFrame } from "./dom.js";
import { addPoint, dropBefore, mergePoints } from "./points.js";
import { formatValue, numberOf } from "./readings.js";

const minute = 60_000;
const ranges = [
  { label: "5 min", ms: 5 * minute },
  { label: "15 min", ms: 15 * minute },
  { label: "1 h", ms: 60 * minute },
  { label: "6 h", ms: 360 * minute },
  { label: "24 h", ms: 1440 * minute },
];
const steps = [1, 5, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 14_400, 21_600].map((seconds) => seconds * 1000);
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const historyPoints = 1000;
const mostPoints = 6000;

/** One picked value over time: its history, and from then on every new reading. */
export class Chart {
  #token;
  #devices;
  #range = ranges[0]?.ms ?? 5 * minute;
  /** @type {{ device: string, tag: string } | undefined} */
  #picked;
  /** @type {[number[], number[]]} */
  #series = [[], []];
  /** Live points that came while the history is on its way. @type {import("./points.js").Point[] | undefined} */
  #early;
  /** @type {AbortController | undefined} */
  #loading;
  /** @type {any} */
  #plot;
  #hover = -1;
  #last = 0;
  #draw = perFrame(() => this.#render());
  /** @type {ReturnType<typeof setInterval>} */
  #tick;
  #size = new ResizeObserver(() => this.#plot?.setSize(sizeOf(byId("chart"))));
  #theme = matchMedia("(prefers-color-scheme: dark)");
  #retheme = () => this.#build();

  /**
   * @param {{ readonly token: string }} session
   * @param {import("./devices.js").Devices} devices
   */
  constructor({ token }, devices) {
    this.#token = token;
    this.#devices = devices;
    byId("ranges").replaceChildren(...ranges.map(({ label, ms }) => create("button", { type: "button", class: "plain", "aria-pressed": String(ms === this.#range), "data-ms": String(ms), onclick: () => this.#setRange(ms) }, label)));
    byId("chart-close").onclick = () => this.hide();
    this.#size.observe(byId("chart"));
    this.#theme.addEventListener("change", this.#retheme);
    this.#tick = setInterval(() => this.#picked && this.#draw(), 1000);
  }

  /**
   * Shows a value.
   *
   * @param {string} device
   * @param {string} tag
   */
  show(device, tag) {
    this.#picked = { device, tag };
    this.#devices.select(this.#picked);
    byId("chart-title").textContent = `${device} · ${tag}`;
    byId("chart-panel").hidden = false;
    if (matchMedia("(max-width: 899px)").matches) byId("chart-panel").scrollIntoView({ block: "start", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    this.#series = [[], []];
    this.#build();
    void this.load();
  }

  /** Shows nothing. */
  hide() {
    this.#loading?.abort();
    this.#picked = undefined;
    this.#devices.select(undefined);
    byId("chart-panel").hidden = true;
  }

  /** Lets go of everything. */
  close() {
    this.hide();
    clearInterval(this.#tick);
    this.#size.disconnect();
    this.#theme.removeEventListener("change", this.#retheme);
    this.#plot?.destroy();
    this.#plot = undefined;
  }

  /**
   * Takes readings of a device as they come.
   *
   * @param {string} device
   * @param {readonly import("./readings.js").Reading[]} readings
   * @param {number} time of those that have none of their own
   */
  take(device, readings, time) {
    if (this.#picked?.device !== device) return;
    for (const { tag, value, time: own = time } of readings) {
      const number = tag === this.#picked.tag ? numberOf(value) : undefined;
      if (number === undefined) continue;
      this.#early?.push({ time: own, value: number });
      addPoint(this.#series, { time: own, value: number });
      this.#draw();
    }
  }

  /** Fetches the history of what is shown. What came live before and meanwhile is merged in, so that nothing is missing and nothing twice. */
  async load() {
    if (!this.#picked) return;
    const { device, tag } = this.#picked;
    this.#loading?.abort();
    const loading = new AbortController();
    this.#loading = loading;
    this.#early = [...(this.#devices.tag(device, tag)?.recent.list() ?? [])];
    this.#say("Loading…");
    try {
      const since = Date.now() - this.#range;
      const query = new URLSearchParams({ device, tag, since: String(Math.round(since)), points: String(historyPoints) });
      const { points } = await call(`/api/series?${query}`, { token: this.#token, signal: loading.signal });
      if (this.#loading !== loading) return;
      this.#series = mergePoints(points, this.#early ?? []);
      const known = this.#devices.tag(device, tag);
      this.#say(typeof known?.value === "string" ? "Text is not drawn." : this.#series[0].length === 0 && !known ? "Nothing was reported in this time." : "");
    } catch (error) {
      if (loading.signal.aborted) return;
      this.#series = mergePoints([], this.#early ?? []);
      this.#say(error instanceof ApiError ? `No history: ${error.message}` : "No history");
    }
    this.#early = undefined;
    this.#draw();
  }

  /** @param {number} ms */
  #setRange(ms) {
    this.#range = ms;
    for (const button of /** @type {NodeListOf<HTMLElement>} */ (byId("ranges").querySelectorAll("button"))) button.setAttribute("aria-pressed", String(button.dataset.ms === String(ms)));
    void this.load();
  }

  /** @param {string} text */
  #say(text) {
    byId("chart-message").textContent = text;
  }

  #build() {
    this.#plot?.destroy();
    this.#hover = -1;
    if (!this.#picked) return;
    const style = getComputedStyle(document.documentElement);
    const color = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
    const axis = { stroke: color("--muted"), font: "12px system-ui", grid: { stroke: color("--line"), width: 1 }, ticks: { show: false } };
    const { device, tag } = this.#picked;
    const known = this.#devices.tag(device, tag);
    const stepped = typeof known?.value === "boolean";
    /** @type {any} */
    const options = {
      ...sizeOf(byId("chart")),
      ms: 1,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 8 } },
      scales: { x: { range: () => this.#window() }, y: { range: stepped ? [-0.1, 1.1] : (/** @type {unknown} */ _plot, /** @type {number} */ low, /** @type {number} */ high) => around(low, high) } },
      axes: [
        { ...axis, size: 34, space: 58, incrs: steps, values: (/** @type {unknown} */ _plot, /** @type {number[]} */ ticks) => ticks.map((tick) => clock.format(tick)) },
        { ...axis, size: 56, ...(stepped ? { splits: [0, 1], values: () => ["off", "on"] } : { values: (/** @type {unknown} */ _plot, /** @type {number[]} */ ticks) => ticks.map((tick) => String(Number(tick.toPrecision(6)))) }) },
      ],
      series: [{}, { stroke: color("--accent"), fill: color("--accent-soft"), width: 2, points: { show: false }, ...(stepped ? { paths: uPlot.paths.stepped?.({ align: 1 }) } : {}) }],
      hooks: {
        setCursor: [
          (/** @type {any} */ plot) => {
            this.#hover = plot.cursor.idx ?? -1;
            this.#draw();
          },
        ],
      },
    };
    this.#plot = new uPlot(options, this.#held(), byId("chart"));
  }

  /** @returns {[number, number]} */
  #window() {
    const until = Math.max(Date.now(), this.#series[0].at(-1) ?? 0);
    return [until - this.#range, until];
  }

  /**
   * What is drawn: the series, and the last value held up to now while its device is there, as many devices report only what has changed.
   *
   * @returns {[number[], number[]]}
   */
  #held() {
    const [times, values] = this.#series;
    const { device, tag } = /** @type {{ device: string, tag: string }} */ (this.#picked);
    const known = this.#devices.tag(device, tag);
    const value = known ? numberOf(known.value) : undefined;
    if (!known || value === undefined || !this.#devices.isOnline(device)) return this.#series;
    const [since, until] = this.#window();
    const last = times.at(-1);
    if (last === undefined) return [[Math.max(since, known.time), until], [value, value]];
    return last < until ? [[...times, until], [...values, value]] : this.#series;
  }

  #render() {
    if (!this.#picked || !this.#plot) return;
    const [times, values] = this.#series;
    dropBefore(this.#series, this.#window()[0]);
    if (times.length > mostPoints && !this.#early) void this.load(); // the store thins out what has come live
    const element = byId("chart");
    if (performance.now() - this.#last > 30) {
      this.#last = performance.now();
      this.#plot.setData(this.#held());
    }
    element.dataset.points = String(times.length);
    const tag = this.#devices.tag(this.#picked.device, this.#picked.tag);
    const at = this.#hover >= 0 && this.#hover < times.length ? this.#hover : -1;
    const time = at >= 0 ? times[at] : tag?.time;
    const value = at >= 0 ? values[at] : tag?.value;
    byId("chart-value").textContent = value === undefined ? "–" : typeof tag?.value === "boolean" ? formatValue(Boolean(value)) : formatValue(value);
    byId("chart-unit").textContent = tag?.unit ?? "";
    byId("chart-at").textContent = time ? new Date(time).toLocaleTimeString() : "";
    element.setAttribute("aria-label", `${this.#picked.tag} over time, ${times.length} points${values.length > 0 ? `, last ${formatValue(/** @type {number} */ (values.at(-1)))}` : ""}`);
  }
}

/**
 * Some room above and below; a flat line lies in the middle.
 *
 * @param {number | null} low
 * @param {number | null} high
 * @returns {[number, number]}
 */
function around(low, high) {
  if (low === null || high === null) return [0, 1];
  const room = high > low ? (high - low) * 0.1 : Math.max(Math.abs(low) * 0.1, 0.5);
  return [low - room, high + room];
}

/** @param {HTMLElement} element */
function sizeOf(element) {
  return { width: Math.max(200, element.clientWidth), height: Math.max(160, element.clientHeight) };
}
