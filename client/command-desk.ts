import type { ClientClock } from "./clock.ts";
import { ClientError } from "./client-error.ts";
import type { Connection } from "./connection.ts";
import { formatPayload, type Envelope } from "./envelope.ts";
import type { OpenMessage } from "./opening.ts";
import type { StoreQueue } from "./store-queue.ts";

/**
 * Carries out a command. What it returns, or what its promise resolves with, is the answer's result (any JSON value); what it throws makes the answer an error. `signal` aborts when the command's
 * deadline has passed: nobody waits for the answer any more.
 */
export type CommandHandler = (command: Envelope, context: { readonly signal: AbortSignal }) => unknown;

/** What a desk works with. */
export interface CommandDeskOptions {
  readonly clock: ClientClock;
  readonly store: StoreQueue | undefined;
  /** Commands whose answers are remembered. */
  readonly remember: number;
  /** Handlers at work at once. */
  readonly concurrency: number;
  readonly problem: (error: ClientError) => void;
  /** Opens commands that are sealed; undefined: they are handed over as they are. */
  readonly open: OpenMessage | undefined;
}

/** How far a command has come. `begun`: its handler was called. */
interface Noted {
  readonly state: "waiting" | "begun" | "ok" | "error";
  /** JSON text. */
  readonly result?: string;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
}

const storePrefix = "command/";
/** Commands that wait for a handler. */
const maxWaiting = 1000;

/**
 * Where commands are carried out: each once. That its handler is about to be called is in the store before it is, and the answer before it is sent; so a command that comes again, also after a
 * restart, is answered and not carried out again. One that was begun and not ended before a restart is answered as an error: whether it was carried out, nobody knows.
 */
export class CommandDesk {
  readonly #options: CommandDeskOptions;
  readonly #noted = new Map<string, Noted>();
  #waiting: Envelope[] = [];
  #working = 0;
  #handler: CommandHandler | undefined;
  #connection: Connection | undefined;
  /** The commands whose handlers this process has called and that are at work. */
  readonly #atWork = new Set<string>();
  readonly #ended = new AbortController();

  constructor(options: CommandDeskOptions) {
    this.#options = options;
  }

  restore(values: ReadonlyMap<string, unknown>): void {
    const found = Array.from(values).filter(([key]) => key.startsWith(storePrefix)) as [string, Noted][];
    for (const [key, noted] of found.sort(([, one], [, other]) => one.at - other.at)) this.#noted.set(key, noted);
  }

  /** Whoever handles commands from now on; those that came before wait for the first one. */
  handle(handler: CommandHandler): void {
    this.#handler = handler;
    this.#work();
  }

  online(connection: Connection): void {
    this.#connection = connection;
  }

  offline(): void {
    this.#connection = undefined;
  }

  /** A command came. */
  take(command: Envelope): void {
    const key = keyOf(command);
    const known = this.#noted.get(key);
    if (known === undefined) {
      if (this.#waiting.length >= maxWaiting) return; // the gateway sends it again
      this.#note(key, { state: "waiting", at: this.#options.clock.now() }, undefined);
      this.#waiting.push(command);
      return this.#work();
    }
    if (known.state === "ok" || known.state === "error") return this.#answer(command, known);
    if (known.state === "begun" && !this.#atWork.has(key)) this.#finish(command, { state: "error", result: '"the device was restarted while it carried the command out"', at: known.at });
  }

  close(): void {
    this.#ended.abort();
    this.#waiting = [];
    this.#connection = undefined;
  }

  #work(): void {
    while (this.#handler !== undefined && this.#working < this.#options.concurrency && this.#waiting.length > 0) {
      const command = this.#waiting.shift()!;
      this.#working++;
      void this.#carryOut(command, this.#handler).finally(() => {
        this.#working--;
        this.#work();
      });
    }
  }

  async #carryOut(command: Envelope, handler: CommandHandler): Promise<void> {
    const { clock, problem } = this.#options;
    const key = keyOf(command);
    const at = clock.now();
    this.#atWork.add(key);
    await new Promise<void>((resolve) => this.#note(key, { state: "begun", at }, resolve));
    const { expires } = command;
    if (this.#ended.signal.aborted) return;
    const deadline = new AbortController();
    const cancel = expires === undefined ? undefined : clock.after(Math.max(0, expires - clock.now()), () => deadline.abort(new ClientError("EXPIRED", "The command has expired")));
    if (cancel) this.#ended.signal.addEventListener("abort", cancel);
    try {
      if (expires !== undefined && expires <= clock.now()) throw new ClientError("EXPIRED", "the command has expired");
      const result: unknown = await handler((await this.#options.open?.(command)) ?? command, { signal: AbortSignal.any([deadline.signal, this.#ended.signal]) });
      this.#finish(command, { state: "ok", at, ...(result === undefined ? {} : { result: formatPayload(result) }) });
    } catch (error) {
      if (error instanceof ClientError && error.code === "SEALED") problem(error);
      else if (!(error instanceof ClientError)) problem(new ClientError("HANDLER", `The handler of commands failed on "${command.msgid}"`, { cause: error }));
      this.#finish(command, { state: "error", at, result: JSON.stringify(error instanceof Error ? error.message : String(error)) });
    } finally {
      cancel?.();
      if (cancel) this.#ended.signal.removeEventListener("abort", cancel);
      this.#atWork.delete(key);
    }
  }

  #finish(command: Envelope, noted: Noted): void {
    this.#note(keyOf(command), noted, () => this.#answer(command, noted));
  }

  #answer({ msgid }: Envelope, { state, result }: Noted): void {
    this.#connection?.send({ type: "ack", msgid, status: state === "error" ? "error" : "ok", ...(result === undefined ? {} : { payload: JSON.parse(result) as unknown }) });
  }

  /** Remembers how far a command has come; one that only waits is not worth a write. */
  #note(key: string, noted: Noted, then: (() => void) | undefined): void {
    const { store, remember } = this.#options;
    this.#noted.set(key, noted);
    for (const [oldest, { state }] of this.#noted) {
      if (this.#noted.size <= remember) break;
      if (state === "waiting" || this.#atWork.has(oldest)) continue;
      this.#noted.delete(oldest);
      store?.put(oldest, undefined);
    }
    if (store !== undefined && noted.state !== "waiting") store.put(key, noted, then);
    else then?.();
  }
}

/** The key under which a command is noted: msgids are unique per sender only. */
function keyOf({ from, msgid }: Envelope): string {
  return `${storePrefix}${from}\0${msgid}`;
}
