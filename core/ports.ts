import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { Audit, AuditFeed, AuditLog } from "./audit.ts";
import type { Authority } from "./authority.ts";
import type { Entry, Journal } from "./journal.ts";
import type { Sessions } from "./session/sessions.ts";
import type { SignedSender } from "./session/signed/signed-sender.ts";
import type { Commands } from "./commands.ts";
import type { Cursors } from "./cursors.ts";
import type { DeadLetters } from "./dead-letters.ts";
import type { Gateway } from "./gateway.ts";

/** A typed role that one plugin provides and others need. The type parameter is what `needs` hands over. */
export interface Port<T> {
  readonly name: string;
  /** Only there for the type checker. */
  readonly type?: (value: T) => T;
}

/** A need that may stay unmet: the plugin then gets undefined. */
export interface OptionalPort<T> {
  readonly optional: Port<T>;
}

/** Names a role. Two plugins mean the same role when they hold the same name. */
export function definePort<T>(name: string): Port<T> {
  return { name };
}

/** Marks a need that a plugin can do without. */
export function optional<T>(port: Port<T>): OptionalPort<T> {
  return { optional: port };
}

/** Who a peer is and what it may do. */
export const AuthorityPort: Port<Authority> = definePort("authority");
/** The durable log behind the bus. */
export const JournalPort: Port<Journal> = definePort("journal");
/** The one HTTP server. */
export const HttpPort: Port<Http> = definePort("http");
/** What was stored, to be asked for. */
export const StorePort: Port<Store> = definePort("store");
/** Remote peers: the kernel provides it. */
export const SessionsPort: Port<Sessions> = definePort("sessions");
/** Takes signed messages: the kernel provides it. */
export const SignedPort: Port<SignedSender> = definePort("signed");
/** Commands and their states: the kernel provides it. */
export const CommandsPort: Port<Commands> = definePort("commands");
/** What sinks refused for good: the kernel provides it. */
export const DeadLettersPort: Port<DeadLetters> = definePort("dead-letters");
/** Where the durable readers stand: the kernel provides it. */
export const CursorsPort: Port<Cursors> = definePort("cursors");
/** What runs here: the kernel provides it. */
export const GatewayPort: Port<Gateway> = definePort("gateway");

/** What is to be in the audit log is said here: the kernel provides it, and knows which instance says it. */
export const AuditPort: Port<Audit> = definePort("audit");
/** The entries that wait for the plugin that keeps the audit log: the kernel provides it. */
export const AuditFeedPort: Port<AuditFeed> = definePort("audit-feed");
/** The audit log, to be read. */
export const AuditLogPort: Port<AuditLog> = definePort("audit-log");

/** The shared HTTP server: a plugin hangs its own routes and protocol upgrades on it. */
export interface Http {
  /** Where it can be reached, such as `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Whether other machines reach it, and nothing is encrypted: to be said in announcements. */
  readonly insecure?: boolean;
  /** Serves every request whose path is `path` or lies below it with a fetch handler (a Hono app's `fetch`). Gone when the returned function is called. */
  mount(path: string, fetch: (request: Request) => Response | Promise<Response>): () => void;
  /** Takes over `Upgrade` requests to exactly `path`, but for those of other sites' pages, which are refused before. The handler owns the socket. Gone when the returned function is called. */
  upgrade(path: string, handler: (request: IncomingMessage, socket: Duplex, head: Buffer) => void): () => void;
  /** Answers such a request with a problem (RFC 9457) and the headers of every answer, and ends its connection. */
  refuseUpgrade(socket: Duplex, refusal: UpgradeRefusal): void;
}

/** What is wrong with a request for another protocol: 400, or 426 where another version of it would do. */
export interface UpgradeRefusal {
  readonly status: 400 | 426;
  /** For a person, without internals. */
  readonly detail: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A page of history. */
export interface MessagePage {
  readonly entries: readonly Entry[];
  /** Hand it in as `cursor` for the next page; absent when this is the last one. */
  readonly next?: string;
}

/** One value of one tag at one time. */
export interface SeriesPoint {
  /** Milliseconds since the Unix epoch, at the source. */
  readonly time: number;
  readonly value: number;
}

/** How far a value can be trusted (WIRE §1). As a filter it is the worst that counts: "uncertain" lets what is good and what is uncertain count. */
export type Quality = "good" | "uncertain" | "bad";

/** The values of one tag within `[since, until)`, ms since the Unix epoch by source time. */
export interface SeriesQuery {
  readonly device: string;
  readonly tag: string;
  readonly since: number;
  readonly until: number;
  /** Which values count. Default "bad": all of them. */
  readonly quality?: Quality | undefined;
  /** Ends the query early; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** One reading as it was stored. */
export interface StoredReading {
  /** Milliseconds since the Unix epoch, at the source. */
  readonly time: number;
  /** When the gateway took it; absent for what was stored before the store kept that. */
  readonly received?: number;
  /** null = the source had none. Booleans are 0 and 1. */
  readonly value: number | null;
  readonly quality: Quality;
  /** The status in the protocol's own words, where it had one. */
  readonly code?: string;
}

/** Readings in order of time. */
export interface ReadingPage {
  readonly readings: readonly StoredReading[];
  readonly unit?: string;
  /** `since` of the next page; absent when this is the last one. */
  readonly next?: number;
}

/**
 * What can be asked of a bucket of values: `mean`, `min`, `max`, `sum`, `first`, `last`, `range` (max - min), `stddev` (of the population), `timeMean` and `integral` (value times
 * seconds), for which a value holds until the next one, and `median` and `p0` to `p100` (percentiles, interpolated as NumPy and PostgreSQL's percentile_cont do).
 */
export type SeriesAggregate = "mean" | "min" | "max" | "sum" | "first" | "last" | "range" | "stddev" | "timeMean" | "integral" | "median" | `p${number}`;

/** Aggregates of one tag over spans of time. */
export interface AggregateQuery extends Omit<SeriesQuery, "since" | "until"> {
  /** 2 to 10,001 ascending times: bucket i holds what lies in `[edges[i], edges[i + 1])`. */
  readonly edges: readonly number[];
  readonly aggregates: readonly SeriesAggregate[];
  /** Now: a value holds no longer, for `timeMean` and `integral`. Default: until the last edge. */
  readonly now?: number | undefined;
}

/** What is known of one bucket. */
export interface SeriesBucket {
  /** Milliseconds since the Unix epoch. */
  readonly start: number;
  /** Values that counted. */
  readonly count: number;
  /** Share of good ones among all readings of the bucket, 0 to 1; null where there are none. */
  readonly good: number | null;
  /** Each aggregate that was asked for; null where no value counted. */
  readonly values: Readonly<Partial<Record<SeriesAggregate, number | null>>>;
}

/** One device as the store knows it. */
export interface DeviceRecord {
  readonly id: string;
  /** Milliseconds since the Unix epoch: the last sign of life. */
  readonly lastSeen: number;
  /** The last value of each tag, by source time. */
  readonly values: Readonly<Record<string, LastValue>>;
}

/** The last value of a tag. */
export interface LastValue {
  /** null = the source had none. */
  readonly value: number | string | boolean | null;
  readonly unit?: string;
  readonly quality: string;
  /** The status in the protocol's own words, where it had one. */
  readonly code?: string;
  /** Milliseconds since the Unix epoch, at the source. */
  readonly timestamp: number;
  /** When the gateway took it. */
  readonly received?: number;
}

/** What was stored, to be asked for (WIRE §4). */
export interface Store {
  /** History: journal entries whose topic matches, oldest first. `since` and `until` are source times in ms, `limit` 1–10,000. @throws {RangeError} for a cursor that is none. */
  messages(query: { readonly topic?: string; readonly since?: number; readonly until?: number; readonly limit: number; readonly cursor?: string }): Promise<MessagePage>;
  /** The numeric values of a tag, in order of time, thinned to at most `points` (LTTB keeps the shape). */
  series(query: SeriesQuery & { readonly points: number }): Promise<{ readonly points: readonly SeriesPoint[]; readonly unit?: string }>;
  /** Aggregates of the numeric values of a tag, one for each bucket. @throws {BusbarError} TOO_LARGE when a percentile is asked of a bucket with too many values. */
  aggregate(query: AggregateQuery): Promise<{ readonly buckets: readonly SeriesBucket[]; readonly unit?: string }>;
  /** The readings of a tag as they were stored, a page of at most `limit` (1–10,000) at a time. */
  readings(query: SeriesQuery & { readonly limit: number }): Promise<ReadingPage>;
  /** Every device that ever reported, in order of id, from after `after`, at most `limit`. */
  devices(query: { readonly after?: string; readonly limit: number }): Promise<readonly DeviceRecord[]>;
  /** One device, or undefined. */
  device(id: string): Promise<DeviceRecord | undefined>;
}
