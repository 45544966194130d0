/** A short name for a longer one: eight hexadecimal digits (FNV-1a of 32 bits over its UTF-16 units), to tell apart the few things of one gateway. Not for anything that somebody may forge. */
export function nameDigest(text: string): string {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, "0");
}
