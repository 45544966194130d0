/**
 * @typedef {number | string | boolean | null} Value null = the source has none
 * @typedef {{ readonly tag: string, readonly value: Value, readonly unit: string, readonly quality: string, readonly time?: number }} Reading time: its own, ms since the Unix epoch
 */

/**
 * Whether a payload is sealed (wire §1): only a reader with a key sees more of it.
 *
 * @param {unknown} payload
 */
export function isSealed(payload) {
  if (payload instanceof Uint8Array) return payload.length > 8 && String.fromCharCode(...payload.subarray(0, 8)) === "\0sealed\x01";
  return typeof payload === "object" && payload !== null && "$sealed" in payload;
}

/**
 * The readings of a status payload, in either of the two shapes of WIRE §1; none for any other payload.
 *
 * @param {unknown} payload
 * @returns {Reading[]}
 */
export function readingsOf(payload) {
  if (typeof payload !== "object" || payload === null || Array.isArray(payload)) return [];
  if (isSealed(payload)) return [{ tag: "payload", value: "sealed", unit: "", quality: "good" }];
  if (payload instanceof Uint8Array) return [];
  const { values, quality } = /** @type {{ values?: unknown, quality?: unknown }} */ (payload);
  if (!Array.isArray(values)) return Object.entries(payload).flatMap(([tag, value]) => (isValue(value) ? [{ tag, value, unit: "", quality: "good" }] : []));
  const whole = typeof quality === "string" ? quality : "good";
  return values.flatMap((one) => {
    if (typeof one !== "object" || one === null || typeof one.tag !== "string") return [];
    const quality = typeof one.quality === "string" ? one.quality : whole;
    if (!isValue(one.value) && (one.value !== null || quality === "good")) return [];
    return [{ tag: one.tag, value: one.value, unit: typeof one.unit === "string" ? one.unit : "", quality, ...(Number.isInteger(one.timestamp) && one.timestamp >= 0 ? { time: one.timestamp } : {}) }];
  });
}

/**
 * @param {unknown} value
 * @returns {value is Value}
 */
function isValue(value) {
  return typeof value === "number" || typeof value === "boolean" || typeof value === "string";
}

/**
 * A value for a person: about four digits that matter, on and off, text as it is, a dash where there is none.
 *
 * @param {Value} value
 * @returns {string}
 */
export function formatValue(value) {
  if (value === null) return "–";
  if (typeof value === "boolean") return value ? "on" : "off";
  if (typeof value === "string") return value.length > 40 ? value.slice(0, 39) + "…" : value;
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 1e9)) return value.toExponential(3);
  const digits = size >= 1000 || Number.isInteger(value) ? 0 : size >= 100 ? 1 : size >= 1 ? 2 : 3;
  return /** @type {Intl.NumberFormat} */ (formats[digits]).format(value);
}

const formats = [0, 1, 2, 3].map((digits) => new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }));

/**
 * The number that stands for a value in a chart; undefined for text and for none.
 *
 * @param {Value} value
 * @returns {number | undefined}
 */
export function numberOf(value) {
  return typeof value === "number" ? value : typeof value === "boolean" ? Number(value) : undefined;
}
