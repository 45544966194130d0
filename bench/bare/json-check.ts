/** Deepest nesting that counts as valid. */
const depthLimit = 64;

/**
 * Whether the bytes from `start` to `end` are one JSON value (RFC 8259) without white space around its parts, as
 * `JSON.stringify` writes it. Says no to some valid JSON (white space, deep nesting, escaped `\u`), which the caller then parses
 * the slow way; never says yes to what is not JSON. Bytes above 0x7f are left to the caller too, who checks UTF-8.
 */
export function isPlainJson(bytes: Uint8Array, start: number, end: number): boolean {
  return value(bytes, start, end, 0) === end;
}

/** Returns the offset behind the value at `at`, -1 when there is none. */
function value(bytes: Uint8Array, at: number, end: number, depth: number): number {
  if (at >= end || depth > depthLimit) return -1;
  switch (bytes[at]) {
    case 0x7b: // {
      return object(bytes, at + 1, end, depth + 1);
    case 0x5b: // [
      return array(bytes, at + 1, end, depth + 1);
    case 0x22: // "
      return string(bytes, at + 1, end);
    case 0x74: // true
      return word(bytes, at, end, 0x72, 0x75, 0x65);
    case 0x6e: // null
      return word(bytes, at, end, 0x75, 0x6c, 0x6c);
    case 0x66: // false
      return bytes[at + 1] === 0x61 ? word(bytes, at + 1, end, 0x6c, 0x73, 0x65) : -1;
    default:
      return number(bytes, at, end);
  }
}

function object(bytes: Uint8Array, from: number, end: number, depth: number): number {
  let at = from;
  if (bytes[at] === 0x7d && at < end) return at + 1;
  while (at < end) {
    if (bytes[at] !== 0x22) return -1;
    at = string(bytes, at + 1, end);
    if (at === -1 || at >= end || bytes[at] !== 0x3a) return -1;
    at = value(bytes, at + 1, end, depth);
    if (at === -1 || at >= end) return -1;
    if (bytes[at] === 0x7d) return at + 1;
    if (bytes[at++] !== 0x2c) return -1;
  }
  return -1;
}

function array(bytes: Uint8Array, from: number, end: number, depth: number): number {
  let at = from;
  if (bytes[at] === 0x5d && at < end) return at + 1;
  while (at < end) {
    at = value(bytes, at, end, depth);
    if (at === -1 || at >= end) return -1;
    if (bytes[at] === 0x5d) return at + 1;
    if (bytes[at++] !== 0x2c) return -1;
  }
  return -1;
}

/** Behind the closing quote of the string whose content begins at `from`. */
function string(bytes: Uint8Array, from: number, end: number): number {
  for (let at = from; at < end; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === 0x22) return at + 1;
    if (byte < 0x20 || byte === 0x5c || byte > 0x7f) return -1;
  }
  return -1;
}

function word(bytes: Uint8Array, at: number, end: number, b: number, c: number, d: number): number {
  return at + 4 <= end && bytes[at + 1] === b && bytes[at + 2] === c && bytes[at + 3] === d ? at + 4 : -1;
}

/** RFC 8259 §6. */
function number(bytes: Uint8Array, from: number, end: number): number {
  let at = bytes[from] === 0x2d ? from + 1 : from;
  const whole = digits(bytes, at, end);
  if (whole === at || (bytes[at] === 0x30 && whole > at + 1)) return -1;
  at = whole;
  if (at < end && bytes[at] === 0x2e) {
    const fraction = digits(bytes, at + 1, end);
    if (fraction === at + 1) return -1;
    at = fraction;
  }
  if (at < end && ((bytes[at] ?? 0) | 0x20) === 0x65) {
    at++;
    if (at < end && (bytes[at] === 0x2b || bytes[at] === 0x2d)) at++;
    const exponent = digits(bytes, at, end);
    if (exponent === at) return -1;
    at = exponent;
  }
  return at;
}

function digits(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && (bytes[at] ?? 0) >= 0x30 && (bytes[at] ?? 0) <= 0x39) at++;
  return at;
}
