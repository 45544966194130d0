import { BusbarError } from "@busbar/core";

/** Texts of the reason codes of MQTT 5.0 §2.4 that a broker says no with. */
const texts: Readonly<Record<number, string>> = {
  0x80: "unspecified error", 0x81: "malformed packet", 0x82: "protocol error", 0x83: "implementation specific error", 0x84: "unsupported protocol version", 0x85: "client identifier not valid",
  0x86: "bad user name or password", 0x87: "not authorized", 0x88: "server unavailable", 0x89: "server busy", 0x8a: "banned", 0x8b: "server shutting down", 0x8c: "bad authentication method",
  0x8d: "keep alive timeout", 0x8e: "session taken over", 0x8f: "topic filter invalid", 0x90: "topic name invalid", 0x91: "packet identifier in use", 0x93: "receive maximum exceeded",
  0x94: "topic alias invalid", 0x95: "packet too large", 0x96: "message rate too high", 0x97: "quota exceeded", 0x98: "administrative action", 0x99: "payload format invalid",
  0x9a: "retain not supported", 0x9b: "QoS not supported", 0x9c: "use another server", 0x9d: "server moved", 0x9e: "shared subscriptions not supported", 0x9f: "connection rate exceeded",
  0xa0: "maximum connect time", 0xa1: "subscription identifiers not supported", 0xa2: "wildcard subscriptions not supported",
};

/** Texts of the return codes of a 3.1.1 CONNACK (MQTT 3.1.1 §3.2.2.3). */
const returnTexts: Readonly<Record<number, string>> = { 1: "unacceptable protocol version", 2: "client identifier rejected", 3: "server unavailable", 4: "bad user name or password", 5: "not authorized" };

/** A reason code for people, such as `0x97 quota exceeded`, and what the broker says besides (Reason String, MQTT 5.0 §3.2.2.3.9). */
export function reasonText(code: number, said?: string): string {
  return `0x${code.toString(16).padStart(2, "0")} ${texts[code] ?? "unknown reason"}${said === undefined ? "" : ` (${said.slice(0, 256)})`}`;
}

/** A CONNACK's code for people. A 5.0 broker that does not take 5.0 may answer as 3.1.1 does (MQTT 5.0 §3.1.2.2). */
export function connackText(code: number, said?: string): string {
  const text = code in returnTexts ? `${code} ${returnTexts[code]}` : reasonText(code, said);
  return code === 1 || code === 0x84 ? `${text}; say protocolVersion: 4` : text;
}

/** What becomes of a publish that the broker answered with this reason code. */
export type Verdict = "taken" | "retry" | "retry-some" | "refused";

/**
 * What the broker means (MQTT 5.0 §3.4.2.1, and 0x95, which Mosquitto sends too). Refused is what no repetition changes: the right is missing, the topic or payload is wrong, the packet is too
 * long. 0x97 and 0x91 pass by themselves. 0x80 and 0x83 leave open what they mean: some repetitions, then refused.
 */
export function verdictOf(code: number): Verdict {
  if (code < 0x80) return "taken";
  if (code === 0x97 || code === 0x91) return "retry";
  if (code === 0x80 || code === 0x83) return "retry-some";
  return "refused";
}

/** Whether a DISCONNECT of this reason (MQTT 5.0 §3.14.2.1) is about the message that was on its way, so that sending it again ends the connection again. */
export function blamesMessage(code: number): boolean {
  return code === 0x81 || code === 0x82 || code === 0x90 || code === 0x95 || code === 0x99 || code === 0x9a || code === 0x9b;
}

/** Why a connection ended. */
export interface SessionEnd {
  readonly error: BusbarError;
  /**
   * What it says of a message that was on its way, alone: "blamed", it will not do; "suspect", the broker hung up without a word, which it may do upon what it dislikes (3.1.1 has
   * no other way); "innocent", anything else.
   */
  readonly message: "blamed" | "suspect" | "innocent";
}

/** An end that this side or the network brought about. */
export function endedBy(error: unknown, message: SessionEnd["message"] = "innocent"): SessionEnd {
  if (error instanceof BusbarError) return { error, message };
  const { code, message: text } = error as NodeJS.ErrnoException;
  return { error: new BusbarError("UNAVAILABLE", code ?? (text || "connection failed"), { cause: error }), message };
}
