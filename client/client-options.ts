import { systemClock, type ClientClock } from "./clock.ts";
import type { Transport } from "./connection.ts";
import { isId, type Draft } from "./envelope.ts";
import type { LineOptions } from "./line.ts";
import type { BufferOptions } from "./outbox-options.ts";
import type { Store } from "./store.ts";
import type { OpenOptions } from "./sealed.ts";
import { signTransport, type SignOptions } from "./sign-transport.ts";
import { webSocket } from "./web-socket.ts";

/** How a client is made. Times in milliseconds. */
export interface ClientOptions {
  /** `ws://host:8080/ws` or `wss://…`; with another transport what that one takes. */
  readonly url: string;
  /** Who it is: a device, or for a user's token its subject. */
  readonly id: string;
  /** A token (WIRE §6), or what gives one: it is called before each connection. */
  readonly token: string | (() => string | Promise<string>);
  /** Where messages wait that are not acknowledged, so that they outlive the process. Default: memory only. */
  readonly store?: Store;
  readonly buffer?: BufferOptions;
  /** Messages that go into one frame: at most `count` (default and at most 1,000), gathered for `linger` ms. Default 0: what is published in the same turn goes together. */
  readonly batch?: { readonly count?: number; readonly linger?: number };
  /** Messages that may be unacknowledged at once. Default 256. With 1, order holds even where a gateway refuses a message for the moment and takes the next one. */
  readonly window?: number;
  /** Bytes of one frame. Default 1 MiB, as the gateway's. */
  readonly frameLimit?: number;
  /** After `interval` of silence (default 20,000) the gateway is asked for a sign of life, which must come within `timeout` (default 10,000). */
  readonly heartbeat?: { readonly interval?: number; readonly timeout?: number };
  /** Pauses between attempts, drawn from 0 to a limit that doubles from `min` (default 500) to `max` (default 30,000). `false`: the first end is the last one. */
  readonly reconnect?: { readonly min?: number; readonly max?: number } | false;
  /** Come back even though a newer connection of the same id has taken over. Default false: the client is closed then, as two that take it from each other would never end. */
  readonly takeover?: boolean;
  /** What the gateway publishes in this client's name when it is gone without a goodbye. */
  readonly will?: Draft;
  /** Commands whose answers are remembered (default 1,000), and how many are carried out at once (default 1). */
  readonly commands?: { readonly remember?: number; readonly concurrency?: number };
  /** Sign each message as it is sent: for a gateway that wants it. The clock must be right within the gateway's window, 5 minutes. Default: nothing is signed. */
  readonly sign?: SignOptions;
  /** Open sealed payloads of all subscriptions and commands. What cannot be opened is told of in `problem`. Default: they are handed over as they are. */
  readonly open?: OpenOptions;
  /** Default: JSON over WebSocket. `tcp()` of `@busbar/client/tcp` is another one. */
  readonly transport?: Transport;
  /** For tests. */
  readonly clock?: ClientClock;
}

/** The same with all defaults filled in. */
export interface CheckedOptions extends Omit<LineOptions, "greeting" | "unanswered"> {
  readonly store: Store | undefined;
  readonly buffer: Required<BufferOptions>;
  readonly batch: { readonly count: number; readonly linger: number };
  readonly window: number;
  readonly frameLimit: number;
  readonly will: Draft | undefined;
  readonly signs: boolean;
  readonly open: OpenOptions | undefined;
  readonly commands: { readonly remember: number; readonly concurrency: number };
}

/** Fills in the defaults. @throws {TypeError} when the id is none. @throws {RangeError} when a number is out of range. */
export function checkOptions(options: ClientOptions): CheckedOptions {
  const { url, id, token, store, buffer = {}, batch = {}, heartbeat = {}, reconnect = {}, will, commands = {} } = options;
  if (!isId(id)) throw new TypeError(`Cannot make a client: ${JSON.stringify(id)} is no id`);
  const { clock = systemClock, transport = webSocket, sign } = options;
  const most = Number.MAX_SAFE_INTEGER;
  return {
    url,
    id,
    token,
    store,
    will,
    buffer: { limit: within("buffer.limit", buffer.limit ?? 10_000, 1, most), bytes: within("buffer.bytes", buffer.bytes ?? 32 * 1024 * 1024, 1, most), overflow: buffer.overflow ?? "reject" },
    batch: { count: within("batch.count", batch.count ?? 1000, 1, 1000), linger: within("batch.linger", batch.linger ?? 0, 0, 60_000) },
    window: within("window", options.window ?? 256, 1, 100_000),
    frameLimit: within("frameLimit", options.frameLimit ?? 1024 * 1024, 2048, most),
    heartbeat: { interval: within("heartbeat.interval", heartbeat.interval ?? 20_000, 10, 3_600_000), timeout: within("heartbeat.timeout", heartbeat.timeout ?? 10_000, 10, 3_600_000) },
    reconnect: reconnect === false ? undefined : { min: within("reconnect.min", reconnect.min ?? 500, 1, 3_600_000), max: within("reconnect.max", reconnect.max ?? 30_000, 1, 3_600_000) },
    takeover: options.takeover ?? false,
    commands: { remember: within("commands.remember", commands.remember ?? 1000, 1, most), concurrency: within("commands.concurrency", commands.concurrency ?? 1, 1, 1000) },
    transport: sign === undefined ? transport : signTransport(transport, { ...sign, id, clock }),
    signs: sign !== undefined,
    open: options.open,
    clock,
  };
}

function within(name: string, value: number, least: number, most: number): number {
  if (value >= least && value <= most) return value;
  throw new RangeError(`Cannot make a client: ${name} must be from ${least} to ${most}, not ${value}`);
}
