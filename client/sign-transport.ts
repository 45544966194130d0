import { canonicalJson } from "./canonical-json.ts";
import type { ClientClock } from "./clock.ts";
import type { Connection, ConnectionEvents, Transport, WireFrame } from "./connection.ts";
import type { Outgoing } from "./envelope.ts";
import { createMint } from "./mint.ts";

/** With what messages are signed. */
export interface SignOptions {
  /** The key that the gateway has, too: text counts as its UTF-8. At least 32 bytes. */
  readonly key: string | Uint8Array;
}

/** Who signs, and when. */
export interface Signer extends SignOptions {
  readonly id: string;
  readonly clock: ClientClock;
}

const utf8 = new TextEncoder();

/**
 * A transport whose messages are signed (docs/wire.md, "Signed messages"): each as it is handed to the connection, so that it lies in the gateway's window however long it waited in the buffer, and
 * anew when it is sent again. A last will is signed with the login. The key stays in WebCrypto, which browsers have on https and localhost only.
 * @throws {RangeError} when the key is shorter than 32 bytes. @throws {TypeError} where there is no WebCrypto.
 */
export function signTransport(transport: Transport, { key, id, clock }: Signer): Transport {
  const bytes = typeof key === "string" ? utf8.encode(key) : Uint8Array.from(key);
  if (bytes.length < 32) throw new RangeError(`Cannot make a client: the key to sign with has ${bytes.length} bytes, at least 32 are needed`);
  if (globalThis.crypto?.subtle === undefined) throw new TypeError("Cannot make a client that signs: a page has WebCrypto on https and localhost only");
  let imported: ReturnType<typeof crypto.subtle.importKey> | undefined; // made with the first message
  const mint = createMint();
  const macOf = async (text: string): Promise<string> => {
    imported ??= crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    return toBase64Url(new Uint8Array(await crypto.subtle.sign("HMAC", await imported, utf8.encode(text))));
  };
  const sign = async (message: Outgoing): Promise<Outgoing> => {
    const { from = id, to = "server", retain = false, type, payload, ...rest } = message;
    const value: unknown = JSON.parse(payload);
    const fields = { ...rest, from, to, retain, type: type === "control" ? "command" : type, nonce: toBase64Url(crypto.getRandomValues(new Uint8Array(16))), signedAt: clock.now() };
    return { ...fields, payload: canonicalJson(value), mac: await macOf(canonicalJson({ ver: "1.0", ...fields, payload: value })) };
  };
  const signWill = async (frame: WireFrame): Promise<WireFrame> => {
    const { payload, ...will } = frame["will"] as Partial<Outgoing> & Pick<Outgoing, "type">;
    const { payload: text, ...signed } = await sign({ ...will, msgid: will.msgid ?? mint(), timestamp: will.timestamp ?? clock.now(), qos: will.qos ?? 0, payload: JSON.stringify(payload) });
    return { ...frame, will: { ...signed, payload: JSON.parse(text) as unknown } };
  };
  return { open: (url, events) => new SigningConnection(transport.open(url, events), { events, sign, signWill }) };
}

/** Hands everything on in order, once it is signed. */
class SigningConnection implements Connection {
  readonly #under: Connection;
  readonly #events: ConnectionEvents;
  readonly #sign: (message: Outgoing) => Promise<Outgoing>;
  readonly #signWill: (frame: WireFrame) => Promise<WireFrame>;
  #last: Promise<void> = Promise.resolve();
  /** Characters that are being signed. */
  #pending = 0;
  #open = true;

  constructor(under: Connection, { events, sign, signWill }: { readonly events: ConnectionEvents; readonly sign: (message: Outgoing) => Promise<Outgoing>; readonly signWill: (frame: WireFrame) => Promise<WireFrame> }) {
    this.#under = under;
    this.#events = events;
    this.#sign = sign;
    this.#signWill = signWill;
  }

  publish(messages: readonly Outgoing[]): void {
    const size = messages.reduce((sum, { payload }) => sum + payload.length, 0);
    this.#pending += size;
    this.#inTurn(Promise.all(messages.map(this.#sign)), (signed) => {
      this.#pending -= size;
      this.#under.publish(signed);
    });
  }

  send(frame: WireFrame): void {
    if (frame.type === "auth" && frame["will"] !== undefined) this.#inTurn(this.#signWill(frame), (signed) => this.#under.send(signed));
    else this.#under.send(frame);
  }

  buffered(): number {
    return this.#under.buffered() + this.#pending;
  }

  close(clean: boolean): void {
    this.#open = false;
    this.#under.close(clean);
  }

  #inTurn<T>(made: Promise<T>, use: (value: T) => void): void {
    const before = this.#last;
    this.#last = made.then((value) => before.then(() => void (this.#open && use(value)))).catch((error: unknown) => {
      if (!this.#open) return;
      this.close(false); // a message that cannot be signed: nothing may overtake it
      this.#events.closed(0, `a message cannot be signed: ${error instanceof Error ? error.message : String(error)}`);
    });
  }
}

function toBase64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replace(/[+/=]/g, (char) => ({ "+": "-", "/": "_", "=": "" })[char]!);
}
