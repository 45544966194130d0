import { createHash } from "node:crypto";

/** Senders whose tails are remembered per route; beyond it the memory starts anew. */
const tailLimit = 10_000;

/** Gives msgids to what a route sends. `key`: the msgid of the source, or one that a step made. */
export interface RouteMsgids {
  /** Of the message of number `index` that was made of a source, which `from` sent. */
  ofSource(from: string, key: string, index: number): string;
  /** Of a message to which a step gave a msgid of its own. */
  ofStep(from: string, key: string): string;
}

/**
 * Gives `<msgid>~<16 characters>`. The tail is a digest of route, sender and index, because messages of several senders may leave in one name, and a
 * sender must not be able to make another's be taken for repeats. A msgid that would get longer than 64 bytes is digested as well.
 */
export function createRouteMsgids(route: string): RouteMsgids {
  let tails = new Map<string, string>();
  const tailOf = (from: string, index: number): string => {
    if (index > 0) return "~" + digest(`${route}\n${from}\n${index}`);
    let tail = tails.get(from);
    if (tail === undefined) {
      if (tails.size >= tailLimit) tails = new Map();
      tails.set(from, (tail = "~" + digest(`${route}\n${from}`)));
    }
    return tail;
  };
  return {
    ofSource: (from, key, index) => join(key, tailOf(from, index)),
    ofStep: (from, key) => join(key, "~" + digest(`${route}\n${from}\nstep`)),
  };
}

function join(key: string, tail: string): string {
  const whole = key + tail;
  return whole.length <= 64 && (whole.length <= 21 || Buffer.byteLength(whole) <= 64) ? whole : digest(key) + tail;
}

/** `length` characters, 6 bits each, of the SHA-256 of a text. */
export function digest(text: string, length = 16): string {
  return createHash("sha256").update(text).digest("base64url").slice(0, length);
}
