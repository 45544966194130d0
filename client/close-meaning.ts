/** What a close code (WIRE §2) means to whom it closes, in a few words. */
const meanings: Readonly<Record<number, string>> = {
  1001: "the gateway shuts down",
  1009: "a frame was too large",
  1013: "the gateway is full",
  4001: "the connection was silent for too long",
  4008: "messages were read too slowly",
  4009: "another connection took its place",
  4029: "too many messages in too short a time",
  4400: "the gateway did not understand a frame",
  4401: "no token in time",
  4403: "the token was refused or has ended",
};

/** What the end of a connection means to whom it closes, in a few words: by its close code (WIRE §2), else the reason that was given. */
export function closeMeaning(code: number, reason: string): string {
  return meanings[code] ?? (reason === "" ? "the connection broke" : reason);
}
