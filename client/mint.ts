/** Makes a source of message ids that no other client, and no other run of this one, gives out: 60 random bits, and a counter. */
export function createMint(): () => string {
  const prefix = Array.from(crypto.getRandomValues(new Uint32Array(2)), (part) => (part & 0x3fffffff).toString(36).padStart(6, "0")).join("");
  let count = 0;
  return () => `${prefix}-${(++count).toString(36)}`;
}
