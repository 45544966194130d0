import { crc32 } from "node:zlib";
import { followedTypes } from "@busbar/core";
import { blockBytes, toBuffer, type Block } from "./block.ts";
import { entrySize, entryType, headerSize } from "./entry-layout.ts";

/** What of a block of the journal can be told without reading it. */
export interface BlockSummary {
  /** The offsets of the block, which never again are those of anything else. */
  readonly last: number;
  readonly first: number;
  /** The types of its entries, each once, with a space after each. */
  readonly types: string;
  readonly crc: number;
  /** Its entries of `followedTypes`, each behind its offset (f64, little endian); null where these are so many that the block itself is as quickly read. */
  readonly noted: Uint8Array | null;
}

/** Bytes of copied entries at the most. */
const notedBytes = blockBytes / 4;
const followed: ReadonlySet<string> = followedTypes;

/** Sums up a block that is about to be written. */
export function summarize({ first, last, body }: Pick<Block, "first" | "last" | "body">, epoch: string): BlockSummary {
  const bytes = toBuffer(body);
  const noted: Buffer[] = [];
  let [size, types, type] = [0, "", ""];
  let [previous, offset] = [-1, first];
  for (let at = 0; at < bytes.length; at += entrySize(bytes, at), offset++) {
    if (previous < 0 || !isSameType(bytes, previous, at)) {
      previous = at;
      type = entryType(bytes, at);
      if (!` ${types}`.includes(` ${type} `)) types += `${type} `;
    }
    if (!followed.has(type)) continue;
    const end = at + entrySize(bytes, at);
    if ((size += 8 + end - at) > notedBytes) continue;
    const place = Buffer.alloc(8);
    place.writeDoubleLE(offset);
    noted.push(place, bytes.subarray(at, end));
  }
  const summary = { last, first, types, noted: size > notedBytes ? null : Buffer.concat(noted) };
  return { ...summary, crc: checksum(summary, epoch) };
}

/** Whether a summary is as it was written. Its columns may be of any type: nothing of a damaged file is to be trusted. */
export function isSound(summary: BlockSummary, epoch: string): boolean {
  const { first, last, types, crc, noted } = summary;
  return Number.isSafeInteger(first) && Number.isSafeInteger(last) && typeof types === "string" && (noted === null || noted instanceof Uint8Array) && checksum(summary, epoch) === crc;
}

/** Whether all messages of these types are copied into summaries. */
export function areNoted(types: readonly string[]): boolean {
  return types.every((type) => followed.has(type));
}

function isSameType(bytes: Buffer, one: number, other: number): boolean {
  const length = bytes[one + 29]!;
  if (bytes[other + 29] !== length) return false;
  for (let at = headerSize; at < headerSize + length; at++) if (bytes[one + at] !== bytes[other + at]) return false;
  return true;
}

function checksum({ first, last, types, noted }: Omit<BlockSummary, "crc">, epoch: string): number {
  const seed = crc32(`${epoch} ${first} ${last} ${noted === null ? "all" : "noted"} ${types}`);
  return noted === null ? seed : crc32(noted, seed);
}
