const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Whether `bytes[start..end)` is one JSON text (RFC 8259) in valid UTF-8, nested at most `maxDepth` deep. It builds nothing: made for payloads that are
 * only passed on. What it accepts, JSON.parse accepts.
 */
export function isJson(bytes: Uint8Array, start: number, end: number, maxDepth: number): boolean {
  const at = value(bytes, space(bytes, start, end), end, maxDepth);
  if (at < 0 || space(bytes, at, end) !== end) return false;
  for (let i = start; i < end; i++) {
    if (bytes[i]! >= 0x80) return isUtf8(bytes.subarray(i, end));
  }
  return true;
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    utf8.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

function space(bytes: Uint8Array, at: number, end: number): number {
  while (at < end) {
    const byte = bytes[at]!;
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break;
    at++;
  }
  return at;
}

/** Each of these returns the place after what it read, or -1. */
function value(bytes: Uint8Array, at: number, end: number, depth: number): number {
  if (at >= end) return -1;
  const byte = bytes[at]!;
  if (byte === 0x22) return string(bytes, at + 1, end);
  if (byte === 0x7b) return depth === 0 ? -1 : object(bytes, at + 1, end, depth - 1);
  if (byte === 0x5b) return depth === 0 ? -1 : array(bytes, at + 1, end, depth - 1);
  if (byte === 0x74) return word(bytes, at, end, "true");
  if (byte === 0x66) return word(bytes, at, end, "false");
  if (byte === 0x6e) return word(bytes, at, end, "null");
  return number(bytes, at, end);
}

function object(bytes: Uint8Array, at: number, end: number, depth: number): number {
  at = space(bytes, at, end);
  if (at < end && bytes[at] === 0x7d) return at + 1;
  for (;;) {
    if (at >= end || bytes[at] !== 0x22) return -1;
    at = string(bytes, at + 1, end);
    if (at < 0) return -1;
    at = space(bytes, at, end);
    if (at >= end || bytes[at] !== 0x3a) return -1;
    at = value(bytes, space(bytes, at + 1, end), end, depth);
    if (at < 0) return -1;
    at = space(bytes, at, end);
    if (at >= end) return -1;
    if (bytes[at] === 0x7d) return at + 1;
    if (bytes[at] !== 0x2c) return -1;
    at = space(bytes, at + 1, end);
  }
}

function array(bytes: Uint8Array, at: number, end: number, depth: number): number {
  at = space(bytes, at, end);
  if (at < end && bytes[at] === 0x5d) return at + 1;
  for (;;) {
    at = value(bytes, at, end, depth);
    if (at < 0) return -1;
    at = space(bytes, at, end);
    if (at >= end) return -1;
    if (bytes[at] === 0x5d) return at + 1;
    if (bytes[at] !== 0x2c) return -1;
    at = space(bytes, at + 1, end);
  }
}

function string(bytes: Uint8Array, at: number, end: number): number {
  while (at < end) {
    const byte = bytes[at++]!;
    if (byte === 0x22) return at;
    if (byte < 0x20) return -1;
    if (byte !== 0x5c) continue;
    if (at >= end) return -1;
    const escape = bytes[at++]!;
    if (escape === 0x75) {
      if (at + 4 > end) return -1;
      for (const last = at + 4; at < last; at++) if (!isHex(bytes[at]!)) return -1;
    } else if (escape !== 0x22 && escape !== 0x5c && escape !== 0x2f && escape !== 0x62 && escape !== 0x66 && escape !== 0x6e && escape !== 0x72 && escape !== 0x74) {
      return -1;
    }
  }
  return -1;
}

function isHex(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66);
}

function number(bytes: Uint8Array, at: number, end: number): number {
  if (bytes[at] === 0x2d) at++;
  const whole = digits(bytes, at, end);
  if (whole === at || (bytes[at] === 0x30 && whole > at + 1)) return -1;
  at = whole;
  if (at < end && bytes[at] === 0x2e) {
    const fraction = digits(bytes, at + 1, end);
    if (fraction === at + 1) return -1;
    at = fraction;
  }
  if (at < end && (bytes[at]! | 0x20) === 0x65) {
    at++;
    if (at < end && (bytes[at] === 0x2b || bytes[at] === 0x2d)) at++;
    const exponent = digits(bytes, at, end);
    if (exponent === at) return -1;
    at = exponent;
  }
  return at;
}

function digits(bytes: Uint8Array, at: number, end: number): number {
  while (at < end && bytes[at]! >= 0x30 && bytes[at]! <= 0x39) at++;
  return at;
}

function word(bytes: Uint8Array, at: number, end: number, text: string): number {
  if (at + text.length > end) return -1;
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text.charCodeAt(i)) return -1;
  return at + text.length;
}
