import { createHash } from "node:crypto";

/*
 * How a message does not go in circles between bridges. What comes in through a bridge has the way it came in its msgid: the tags of the bridges it passed, `~`, and the id it had:
 * `q3Xf9.Zb0-k~0192ab`. Nothing else has to be remembered, so it holds across restarts, and whoever stores the message stores its way.
 */

const tagLength = 5;
const way = /^((?:[A-Za-z0-9_-]{5}\.){0,5}[A-Za-z0-9_-]{5})~/;
/** A msgid holds 64 bytes (WIRE §1): a digest of 22 and this many tags fit with room to spare. */
const longestWay = 6;

/** The tag of a bridge: five characters that another bridge has with a chance of one in 10^9. `epoch` is the journal's identity. */
export function originTag(epoch: string, instance: string): string {
  return digest(epoch + "\0" + instance).slice(0, tagLength);
}

/** The tags of the bridges that a message with this msgid came through, oldest first. */
export function wayOf(msgid: string): readonly string[] {
  return msgid.charCodeAt(tagLength) === 126 || msgid.charCodeAt(tagLength) === 46 ? (way.exec(msgid)?.[1]?.split(".") ?? []) : [];
}

/** What a message's id was before it came in through a bridge. */
export function withoutWay(msgid: string): string {
  return msgid.replace(way, "");
}

/**
 * The msgid of a message that comes in: `id` names it at its source, `via` are the bridges before this one. Where that is longer than a msgid may be, a digest stands for the id;
 * of a way of more than six bridges the last ones count.
 */
export function incomingMsgid(id: string, via: readonly string[], tag: string): string {
  const prefix = [...via.filter((one) => one.length === tagLength && way.test(one + "~")), tag].slice(-longestWay).join(".") + "~";
  return Buffer.byteLength(prefix + id) <= 64 ? prefix + id : prefix + digest(id);
}

/** 128 bits of SHA-256 as 22 characters. */
export function digest(text: string): string {
  return createHash("sha256").update(text).digest().subarray(0, 16).toString("base64url");
}
