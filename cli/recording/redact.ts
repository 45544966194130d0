/** What stands in a recording in place of a secret. */
export const redacted = "[redacted]";

/** Names of fields whose values are secrets wherever these words stand in them, without case and separators. */
const secretWords = ["password", "passwd", "passphrase", "secret", "token", "apikey", "accesskey", "privatekey", "authorization", "cookie", "credential", "sessionid", "passcode", "pincode"];
/** Words that make a name one of a secret where they stand for themselves (`wifi_psk`, `userPwd`): too short to be looked for inside of others. */
const wholeWords: ReadonlySet<string> = new Set(["pwd", "psk", "otp", "jwt", "bearer"]);
/** Names that are secrets only as a whole. */
const secretNames: ReadonlySet<string> = new Set(["pin", "pass", "auth", "mac", "wifikey", "wpakey"]);
const wordBorder = /[^a-zA-Z0-9]+|(?<=[a-z0-9])(?=[A-Z])/;

/** Secrets that are known by their look, whatever the field is called: JSON Web Tokens (RFC 7519), PEM private keys (RFC 7468), HTTP credentials (RFC 9110 §11.4), passwords in URLs (RFC 3986 §3.2.1). */
const secretLooks: readonly (readonly [RegExp, string])[] = [
  [/eyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*/g, redacted],
  [/-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|$)/g, redacted],
  [/\b(bearer|basic)\s+[\w.~+/=-]{6,}/gi, `$1 ${redacted}`],
  [/:\/\/[^\s/:@]*:[^\s/@]+@/g, `://${redacted}@`],
];

/** A list of fields that are secrets besides: each a path of keys from the payload's root, where `*` is any key; lists are stepped through. */
export type RedactPaths = readonly (readonly string[])[];

/** Reads paths such as `door.code,users.*.name`. @throws {SyntaxError} for an empty level. */
export function parseRedactPaths(text: string): RedactPaths {
  return text.split(",").map((path) => {
    const keys = path.trim().split(".");
    if (keys.some((key) => key === "")) throw new SyntaxError(`Cannot read the path "${path}": a level of it is empty`);
    return keys;
  });
}

/** A payload without its secrets: a copy where it has some, else the payload itself. Never throws, at any depth. */
export function redactPayload(payload: unknown, paths: RedactPaths = []): unknown {
  if (typeof payload === "string") return redactText(payload);
  if (typeof payload !== "object" || payload === null) return payload;
  if (Array.isArray(payload)) return mapped(payload, (one) => redactPayload(one, paths));
  const bytes = (payload as { readonly $base64?: unknown }).$base64;
  if (typeof bytes === "string" && Object.keys(payload).length === 1) return holdsSecret(bytes) ? redacted : payload;
  const { tag } = payload as { readonly tag?: unknown };
  const secretReading = typeof tag === "string" && isSecretName(tag);
  let copy: Record<string, unknown> | undefined;
  for (const [key, value] of Object.entries(payload)) {
    const inner = paths.filter(([first]) => first === "*" || first === key).map((path) => path.slice(1));
    const secret = isSecretName(key) || inner.some((path) => path.length === 0) || (secretReading && key === "value");
    const clean = secret && value !== null && typeof value !== "boolean" ? redacted : redactPayload(value, inner.filter((path) => path.length > 0));
    const name = redactText(key);
    if (clean === value && name === key) continue;
    copy ??= { ...payload };
    if (name !== key) delete copy[key];
    Object.defineProperty(copy, name, { value: clean, enumerable: true, configurable: true, writable: true }); // a key may be "__proto__"
  }
  return copy ?? payload;
}

/** Whether a field of that name holds a secret. */
export function isSecretName(name: string): boolean {
  const plain = name.toLowerCase().replace(/[^a-z0-9]/g, "");
  return secretNames.has(plain) || secretWords.some((word) => plain.includes(word)) || name.split(wordBorder).some((word) => wholeWords.has(word.toLowerCase()));
}

function redactText(text: string): string {
  let clean = text;
  for (const [look, instead] of secretLooks) clean = clean.replace(look, instead);
  return clean;
}

function holdsSecret(base64: string): boolean {
  const text = Buffer.from(base64, "base64").toString("latin1");
  return redactText(text) !== text;
}

function mapped(list: readonly unknown[], map: (one: unknown) => unknown): unknown {
  const copy = list.map(map);
  return copy.every((one, at) => one === list[at]) ? list : copy;
}
