import { canonicalJson } from "../canonical-json.ts";
import type { Binding } from "../sealed.ts";

/** The additional authenticated data of a sealed payload: RFC 8785 of the five fields, UTF-8. */
export function bindingBytes({ from, to, type, msgid, timestamp }: Binding): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(canonicalJson({ from, to, type, msgid, timestamp }));
}
