import type { ClientClock } from "./clock.ts";
import { ClientError } from "./client-error.ts";
import { readPayload, type Draft, type Envelope, type Receipt } from "./envelope.ts";
import type { SubscribeOptions, Subscription } from "./subscription.ts";

/** A command for a device. */
export interface CommandDraft extends Omit<Draft, "type" | "qos" | "expires"> {
  /** The device. */
  readonly to: string;
}

/** How long to wait for an answer. */
export interface RequestOptions {
  /** Milliseconds after which the command is of no use any more. Default 60,000. */
  readonly ttl?: number;
  /** Gives up waiting; the command itself cannot be taken back. */
  readonly signal?: AbortSignal;
}

/** What a device has answered. */
export interface Answer {
  /** Of the command. */
  readonly msgid: string;
  /** Who answered. */
  readonly from: string;
  readonly status: "ok" | "error";
  /** Any JSON value; with "error", why. */
  readonly result: unknown;
}

/** What requests work with. */
export interface RequestsOptions {
  readonly id: string;
  readonly clock: ClientClock;
  readonly mint: () => string;
  readonly publish: (draft: Draft) => Promise<Receipt>;
  readonly subscribe: (pattern: string, handler: (message: Envelope) => void, options: SubscribeOptions) => Subscription;
}

/** Milliseconds after the deadline of a command in which its answer may still arrive. */
const grace = 2000;
/** Who speaks where the gateway itself does. */
const gatewayId = "gateway";

/** Commands that this client has given and that are not answered yet. Answers come as `ack` messages to its id (WIRE §1). */
export class Requests {
  readonly #options: RequestsOptions;
  readonly #waiting = new Map<string, (answer: Answer | ClientError) => void>();
  #answers: Subscription | undefined;

  constructor(options: RequestsOptions) {
    this.#options = options;
  }

  /** See `Client.request`. */
  async request({ to, ...draft }: CommandDraft, { ttl = 60_000, signal }: RequestOptions = {}): Promise<Answer> {
    signal?.throwIfAborted();
    const { id, clock, mint, publish, subscribe } = this.#options;
    this.#answers ??= subscribe(`ack/${id}`, (message) => this.#hear(message), { qos: 1 });
    const msgid = draft.msgid ?? mint();
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.#waiting.set(msgid, (answer) => {
      if (answer instanceof ClientError) reject(answer);
      else if (!mayAnswer(answer.from, to)) return; // somebody has guessed the msgid
      else if (isExpiry(answer)) reject(late);
      else resolve(answer);
    });
    const late = new ClientError("TIMEOUT", `"${to}" has not answered the command "${msgid}" within ${ttl} ms`);
    const cancel = clock.after(ttl + grace, () => reject(late));
    const abort = (): void => reject(signal!.reason);
    signal?.addEventListener("abort", abort, { once: true });
    this.#answers.ready.catch(reject);
    publish({ ...draft, type: "command", to, msgid, qos: 1, expires: clock.now() + ttl }).catch((error: unknown) => reject(error instanceof ClientError && error.code === "EXPIRED" ? late : error));
    try {
      return await promise;
    } finally {
      this.#waiting.delete(msgid);
      cancel();
      signal?.removeEventListener("abort", abort);
    }
  }

  close(error: ClientError): void {
    for (const settle of this.#waiting.values()) settle(error);
  }

  #hear({ from, payload }: Envelope): void {
    if (typeof payload !== "object" || payload === null || !("msgid" in payload)) return;
    const { msgid, status, result } = payload as { readonly msgid: unknown; readonly status?: unknown; readonly result?: unknown };
    if (typeof msgid === "string") this.#waiting.get(msgid)?.({ msgid, from, status: status === "error" ? "error" : "ok", result: readPayload(result) });
  }
}

/** Whether somebody may answer a command to `to`: whom it is for, or one above or below; the gateway in its place; anybody one to many, as only the gateway knows who is in a group. */
function mayAnswer(from: string, to: string): boolean {
  return from === gatewayId || to === "all" || to.startsWith("group/") || from === to || from.startsWith(`${to}/`) || to.startsWith(`${from}/`);
}

/** What the gateway answers in place of a device that has not. */
function isExpiry({ status, from, result }: Answer): boolean {
  return status === "error" && from === gatewayId && typeof result === "object" && result !== null && "expired" in result;
}
