import type { ClientClock } from "./clock.ts";
import { Backoff } from "./backoff.ts";
import { ClientError } from "./client-error.ts";
import { closeMeaning } from "./close-meaning.ts";
import type { Connection, Transport, WireFrame } from "./connection.ts";
import { onWake } from "./wake.ts";

/** `connecting`: being opened and authenticated. `online`: messages pass. `offline`: waiting for the next attempt. `closed`: for good. */
export type ClientState = "connecting" | "online" | "offline" | "closed";

/** How a line finds the gateway and keeps in touch. Times in milliseconds. */
export interface LineOptions {
  readonly url: string;
  readonly id: string;
  readonly token: string | (() => string | Promise<string>);
  readonly transport: Transport;
  readonly clock: ClientClock;
  /** After `interval` of silence it asks for a sign of life, and waits `timeout` for it. */
  readonly heartbeat: { readonly interval: number; readonly timeout: number };
  /** Undefined: it never comes back. */
  readonly reconnect: { readonly min: number; readonly max: number } | undefined;
  /** Whether to come back when a newer connection of the same id has taken over. */
  readonly takeover: boolean;
  /** More fields of the auth frame. */
  readonly greeting: Readonly<Record<string, unknown>>;
  /** For how long the gateway has owed an answer. */
  readonly unanswered: () => number;
}

/** What a line tells of. */
export interface LineEvents {
  /** `retryIn`: milliseconds to the next attempt, when offline. `error`: why it is offline or closed. */
  state(state: ClientState, retryIn: number | undefined, error: ClientError | undefined): void;
  online(connection: Connection): void;
  frame(frame: WireFrame): void;
  /** The connection that was online is gone, with that close code. */
  lost(code: number): void;
}

const connectTimeout = 15_000;
/** Online for so long, the next failure counts as the first. */
const stable = 10_000;
/** An answer that is owed for longer will not come on this connection. */
const answerTimeout = 30_000;
/** Attempts that an ending counts for, by close code: a full gateway and one that wants less are left alone for longer. */
const worse: Readonly<Record<number, number>> = { 1013: 4, 4029: 3 };

/** Keeps one authenticated connection to a gateway: opens it, watches it, and opens it again with growing pauses. */
export class Line {
  readonly #options: LineOptions;
  readonly #events: LineEvents;
  readonly #backoff: Backoff;
  #state: ClientState = "offline";
  #connection: Connection | undefined;
  /** Names the attempt: what belongs to an earlier one is ignored. */
  #attempt = 0;
  #cancelTimer: (() => void) | undefined;
  #cancelPulse: (() => void) | undefined;
  #endWake: (() => void) | undefined;
  #heard = 0;
  #since = 0;
  #refusals = 0;
  #mistakes = 0;

  constructor(options: LineOptions, events: LineEvents) {
    this.#options = options;
    this.#events = events;
    this.#backoff = new Backoff(options.reconnect ?? { min: 500, max: 30_000 });
  }

  get state(): ClientState {
    return this.#state;
  }

  /** Connects now: at the start, and whenever there is reason to believe that it would work. Does nothing while it is connecting or online. */
  open(): void {
    if (this.#state !== "offline") return;
    this.#endWake ??= onWake(() => this.open());
    void this.#connect();
  }

  /** Ends it for good. */
  close(error: ClientError, clean: boolean): void {
    if (this.#state === "closed") return;
    const online = this.#state === "online";
    this.#drop(clean);
    this.#endWake?.();
    if (online) this.#events.lost(1000);
    this.#turn("closed", undefined, error);
  }

  async #connect(): Promise<void> {
    const { clock, token, transport, url, id, greeting } = this.#options;
    const attempt = ++this.#attempt;
    this.#cancelTimer?.();
    this.#turn("connecting", undefined, undefined);
    this.#cancelTimer = clock.after(connectTimeout, () => this.#lost(0, "no answer in time"));
    let shown: string;
    try {
      shown = typeof token === "string" ? token : await token();
    } catch (error) {
      if (attempt === this.#attempt) this.#lost(0, "no token", error);
      return;
    }
    if (attempt !== this.#attempt) return;
    this.#heard = clock.now();
    try {
      const connection = transport.open(url, {
        opened: () => attempt === this.#attempt && connection.send({ type: "auth", deviceId: id, token: shown, ...greeting }),
        frame: (frame) => attempt === this.#attempt && this.#hear(frame),
        closed: (code, reason) => attempt === this.#attempt && this.#lost(code, reason),
      });
      this.#connection = connection;
    } catch (error) {
      this.close(new ClientError("UNAVAILABLE", `Cannot connect to "${url}"`, { cause: error }), false); // no URL of this transport: it would never work
    }
  }

  #hear(frame: WireFrame): void {
    this.#heard = this.#options.clock.now();
    if (frame.type === "ping") return this.#connection?.send({ type: "pong" });
    if (this.#state === "online") return this.#events.frame(frame);
    if (frame.type !== "auth_response") return;
    if (frame["status"] !== "success") return this.#lost(4403, "authentication failed");
    this.#cancelTimer?.();
    this.#refusals = 0;
    this.#since = this.#heard;
    this.#pulse();
    this.#turn("online", undefined, undefined);
    this.#events.online(this.#connection!);
  }

  /** Looks after the connection: half-open ones say nothing when they die. */
  #pulse(): void {
    const { clock, heartbeat: { interval, timeout }, unanswered } = this.#options;
    this.#cancelPulse = clock.after(Math.min(interval, timeout) / 2, () => {
      const silent = clock.now() - this.#heard;
      if (silent >= interval + timeout) return this.#lost(0, "no sign of life");
      if (unanswered() > answerTimeout) return this.#lost(0, "an acknowledgement is overdue");
      if (silent >= interval) this.#connection?.send({ type: "ping" });
      this.#pulse();
    });
  }

  #lost(code: number, reason: string, cause?: unknown): void {
    const { clock, reconnect, takeover, token } = this.#options;
    const online = this.#state === "online";
    this.#drop(false);
    if (online) this.#events.lost(code);
    if (online && clock.now() - this.#since >= stable) this.#backoff.reset();
    const error = endOf(code, reason, cause);
    if (code === 4403) this.#refusals++;
    this.#mistakes = code === 4400 || code === 4401 ? this.#mistakes + 1 : 0;
    const final = (code === 4009 && !takeover) || (code === 4403 && (typeof token === "string" || this.#refusals > 1)) || this.#mistakes > 5 || !reconnect;
    if (final) return this.close(error, false);
    const wait = this.#backoff.next(worse[code] ?? 1);
    this.#turn("offline", wait, error);
    this.#cancelTimer = clock.after(wait, () => this.open());
  }

  #drop(clean: boolean): void {
    this.#attempt++;
    this.#cancelTimer?.();
    this.#cancelPulse?.();
    this.#connection?.close(clean);
    this.#connection = undefined;
  }

  #turn(state: ClientState, retryIn: number | undefined, error: ClientError | undefined): void {
    this.#state = state;
    this.#events.state(state, retryIn, error);
  }
}

function endOf(code: number, reason: string, cause: unknown): ClientError {
  return new ClientError(code === 4403 || code === 4401 ? "UNAUTHENTICATED" : code === 4009 ? "REPLACED" : "UNAVAILABLE", `Connection closed${code === 0 ? "" : ` (${code})`}: ${closeMeaning(code, reason)}`, { closeCode: code, cause });
}
