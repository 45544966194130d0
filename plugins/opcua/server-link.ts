import { BusbarError, errorText, retryDelay, type Clock, type Counter, type Log, type RetryRange } from "@busbar/core";
import { AttributeIds, ServerState, VariableIds, type ClientSession } from "node-opcua-client";
import { reasonOf } from "./endpoint.ts";
import { openConnection, type ConnectionSettings, type ServerConnection } from "./server-connection.ts";
import { openServerView, type ServerView } from "./server-view.ts";

/** A time without data: ms since the Unix epoch. */
export interface Outage {
  /** The last sign of life before it. */
  readonly from: number;
  readonly to: number;
  readonly reason: string;
}

/** One connection, from when the session is active until it ends. */
export interface ServerLife {
  readonly connection: ServerConnection;
  readonly view: ServerView;
  /** Whether the server numbers its namespaces as it did in the life before. */
  readonly sameNamespaces: boolean;
  /** Aborts when the connection ends. */
  readonly signal: AbortSignal;
}

/** What keeps up a connection. */
export interface ServerLinkOptions {
  readonly connection: ConnectionSettings;
  readonly clock: Clock;
  readonly log: Log;
  readonly reconnect: Required<RetryRange>;
  /** Milliseconds between two questions whether the server is well. */
  readonly keepAlive: number;
  /** Counts connections after the first. */
  readonly reconnects: Counter;
  /** Does what is to be done with a new connection; `outage` is the time since the last one, undefined for the first. When it throws the connection ends. */
  readonly onUp: (life: ServerLife, outage: Outage | undefined) => Promise<void>;
  /** The connection has ended, or there was none to be had; once until the next `onUp`. */
  readonly onDown: (reason: string) => void;
  /** The server's own state has changed, such as `Shutdown`. */
  readonly onState: (state: string) => void;
  /** Why a connection that seems to be up is of no use; undefined when it is well. Asked at each keep-alive. */
  readonly fault: () => string | undefined;
}

/** A life that lasted so long, in ms, was a good one: the pauses begin anew after it. */
const goodLife = 10_000;

/** Answers that connecting may take: endpoints, channel, session. */
const patience = 4;

/** Keeps up one connection to a server: opens it, asks regularly whether the server is well, says when it comes and goes, and opens it again with growing pauses. */
export class ServerLink {
  readonly #options: ServerLinkOptions;
  #life: ServerLife | undefined;
  #session: ClientSession | undefined;
  #namespaces: readonly string[] | undefined;
  #failure: string | undefined;
  /** Why the last connection ended, or why there never was one: the first thing that failed, not what failed after it. */
  #outage: string | undefined;
  #lives = 0;
  /** When the server was heard last; ms since the Unix epoch. Undefined before it was heard for the first time. */
  heard: number | undefined;

  constructor(options: ServerLinkOptions) {
    this.#options = options;
  }

  /** The connection there is, once `onUp` has done its part. */
  get life(): ServerLife | undefined {
    return this.#life;
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, reconnect, log } = this.#options;
    for (let attempt = 0; !signal.aborted; attempt++) {
      const began = clock.now();
      try {
        const connection = await this.#open(signal);
        this.#session = connection.session;
        const reason = await this.#live(connection, signal);
        if (signal.aborted) return;
        if (clock.now() - began > goodLife) attempt = 0;
        this.#down(reason, "connection to the server lost; it is opened again");
      } catch (error) {
        if (signal.aborted) return;
        log.debug("no connection to the server", { error });
        this.#down(error instanceof BusbarError ? error.message : errorText(error), "server cannot be reached; it is tried again");
      }
      await clock.sleep(retryDelay(attempt, reconnect), signal).catch(() => {});
    }
  }

  /** Gives up after a few times the patience for one answer, whatever the library is waiting for. */
  async #open(signal: AbortSignal): Promise<ServerConnection> {
    const { clock, connection: settings } = this.#options;
    const attempt = new AbortController();
    const limit = AbortSignal.any([signal, attempt.signal]);
    const cancel = clock.after(settings.timeout * patience, () => attempt.abort(new BusbarError("TIMEOUT", `Cannot connect to ${settings.url}: it does not answer in time`)));
    const opening = openConnection(settings, { previous: this.#session, signal: limit });
    try {
      return await Promise.race([opening, aborted(limit).then(() => Promise.reject(limit.reason as Error))]);
    } catch (error) {
      opening.then((late) => late.leave(), () => {});
      throw error;
    } finally {
      cancel();
    }
  }

  /** Returns why the connection has ended. */
  async #live(connection: ServerConnection, signal: AbortSignal): Promise<string> {
    const { clock, onUp, reconnects, log } = this.#options;
    const life = new AbortController();
    const end = (): void => life.abort(signal.reason);
    signal.addEventListener("abort", end, { once: true });
    void connection.ended.then(end);
    try {
      const view = await openServerView(connection.session, { signal: life.signal });
      const sameNamespaces = this.#namespaces !== undefined && view.namespaces.join("\0") === this.#namespaces.join("\0");
      const current = { connection, view, sameNamespaces, signal: life.signal };
      await onUp(current, this.heard === undefined ? undefined : { from: this.heard, to: clock.now(), reason: this.#outage ?? "the gateway was stopped" });
      this.#namespaces = view.namespaces;
      if (this.#lives++ > 0) reconnects.value++;
      this.#life = current;
      this.#failure = this.#outage = undefined;
      this.heard = clock.now();
      log.info("connected to the server", { security: connection.offer.policy, mode: connection.offer.mode, sessionKept: connection.kept });
      this.#keepAlive(current);
      return await Promise.race([connection.ended, aborted(signal)]);
    } catch (error) {
      connection.break(reasonOf(error));
      return `it could not be used: ${await connection.ended}`;
    } finally {
      signal.removeEventListener("abort", end);
      this.#life = undefined;
      life.abort();
      // a session that is to be taken up again is left to the server
      await Promise.race([signal.aborted ? connection.close() : connection.leave(), clock.sleep(this.#options.connection.timeout)]);
    }
  }

  #keepAlive({ connection, signal }: ServerLife): void {
    const { clock, keepAlive, onState, fault, connection: { timeout } } = this.#options;
    let state: ServerState = ServerState.Running;
    let giveUp: (() => void) | undefined;
    const answered = (): void => {
      giveUp?.();
      giveUp = undefined;
    };
    const cancel = clock.every(keepAlive, () => {
      const broken = fault();
      if (broken !== undefined) return connection.break(broken);
      if (giveUp !== undefined) return;
      giveUp = clock.after(timeout, () => connection.break("the server does not answer in time"));
      connection.session.read({ nodeId: `i=${VariableIds.Server_ServerStatus_State}`, attributeId: AttributeIds.Value }).then(
        ({ value }) => {
          answered();
          this.heard = clock.now();
          const now: unknown = value.value;
          if (typeof now === "number" && now !== state && !signal.aborted) onState(ServerState[(state = now)] ?? String(now));
        },
        (error: unknown) => {
          answered();
          connection.break(`the server does not answer (${reasonOf(error)})`);
        },
      );
    });
    signal.addEventListener("abort", () => {
      cancel();
      answered();
    }, { once: true });
  }

  #down(reason: string, message: string): void {
    const { log, onDown } = this.#options;
    if (reason === this.#failure) return;
    this.#failure = reason;
    log.warn(message, { reason });
    if (this.#outage !== undefined) return;
    this.#outage = reason;
    onDown(reason);
  }
}

function aborted(signal: AbortSignal): Promise<string> {
  return new Promise((resolve) => (signal.aborted ? resolve("stopped") : signal.addEventListener("abort", () => resolve("stopped"), { once: true })));
}
