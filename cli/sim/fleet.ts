import { createClient, type Client, type ClientError, type Transport } from "@busbar/client";
import { systemClock, type Clock } from "@busbar/core";

/** What a fleet is. */
export interface FleetOptions {
  readonly url: URL;
  /** Default: JSON over WebSocket. */
  readonly transport?: Transport | undefined;
  /** The devices' ids. */
  readonly ids: readonly string[];
  readonly tokenFor: (id: string) => Promise<string>;
  /** Messages per second of each device. */
  readonly rate: number;
  readonly qos: 0 | 1 | 2;
  readonly clock?: Clock;
}

/** Counters since the fleet started. */
export interface FleetCounts {
  readonly connected: number;
  readonly sent: number;
  readonly acked: number;
  /** Messages that were refused, and connections that broke or did not come about. */
  readonly errors: number;
  /** Attempts to connect again. */
  readonly reconnects: number;
}

/** Simulated devices that are on their way. */
export interface Fleet {
  counts(): FleetCounts;
  /** The last thing that went wrong. */
  lastError(): string | undefined;
  /** Sends nothing more. Resolves when what was sent is acknowledged, or a second has passed, and every connection is closed. */
  stop(): Promise<void>;
}

/** A device says nothing while so many of its messages wait. */
const maxBuffered = 256;
/** Devices that start to connect per tick, so that a large fleet does not run into the listener's backlog. */
const connectsPerTick = 20;
const tick = 10;
const patience = 1000;

/** Starts devices, each with a client of its own, that connect, report at a rate, and come back with growing pauses when their connection breaks. */
export function startFleet(options: FleetOptions): Fleet {
  const { url, ids, rate, qos, tokenFor, transport } = options;
  const clock = options.clock ?? systemClock;
  const clients: Client[] = [];
  const counts = { connected: 0, sent: 0, acked: 0, errors: 0, reconnects: 0 };
  let lastError: string | undefined;
  let stopping = false;

  const failed = (error: ClientError): void => {
    if (stopping) return;
    counts.errors++;
    lastError = error.message;
  };
  const connect = (id: string): Client => {
    const client = createClient({ url: url.href, id, token: () => tokenFor(id), clock, buffer: { limit: maxBuffered }, ...(transport === undefined ? {} : { transport }) });
    let online = false;
    let attempts = 0;
    client.on("state", (state, { error }) => {
      if (state === "connecting" && attempts++ > 0) counts.reconnects++;
      if (online !== (state === "online")) counts.connected += online ? -1 : 1;
      online = state === "online";
      if (error) failed(error);
    });
    client.on("dropped", (_, error) => failed(error));
    return client;
  };
  const acknowledged = (): void => void counts.acked++;
  const ignore = (): void => {}; // `dropped` has told of it

  const begun = clock.now();
  let turn = 0;
  let due = 0;
  const stopTicks = clock.every(tick, () => {
    for (let left = connectsPerTick; left > 0 && clients.length < ids.length; left--) clients.push(connect(ids[clients.length]!));
    const target = ((clock.now() - begun) / 1000) * rate * ids.length;
    for (; due + 1 <= target; due++) {
      const at = turn++ % ids.length;
      const client = clients[at];
      if (client?.state !== "online" || client.counts.buffered >= maxBuffered) continue; // what it would have said is lost, as a real sensor's value is
      const timestamp = clock.now();
      counts.sent++;
      client.publish({ type: "status", timestamp, qos, payload: reading(at, timestamp) }).then(qos > 0 ? acknowledged : ignore, ignore);
    }
  });

  return {
    counts: () => ({ ...counts }),
    lastError: () => lastError,
    async stop() {
      stopping = true;
      stopTicks();
      await Promise.all(clients.map((client) => client.close({ drain: client.state === "online", timeout: patience })));
    },
  };
}

/** A temperature that swings by 5 K within a minute, each device at its own point of it, and a voltage (WIRE §1, readings). */
function reading(phase: number, now: number): object {
  const angle = (now / 60_000) * 2 * Math.PI + phase;
  return {
    values: [
      { tag: "temperature", value: Math.round((20 + 5 * Math.sin(angle)) * 100) / 100, unit: "°C" },
      { tag: "voltage", value: Math.round((230 + 2 * Math.cos(angle * 7)) * 10) / 10, unit: "V" },
    ],
  };
}
