import { FrameBatch } from "../wires/frame-batch.ts";
import { wires } from "../wires/registry.ts";
import type { Identity, Peer } from "../wires/wire.ts";
import { Connection } from "./connection.ts";
import type { Endpoint } from "./job.ts";
import { signToken } from "./token.ts";

/** How many handshakes are under way at once: fewer than the shortest listen queue (Mosquitto: 100), beyond which a connect is retried after a second. */
const handshakes = 64;

/** How long all handshakes together may take. */
const connectMs = 60_000;

/** One publisher of a fleet. Sequence numbers count from 0. */
export interface Publisher {
  readonly connection: Connection;
  readonly batch: FrameBatch;
  /** Sequence number of the next message. */
  next: number;
  acked: number;
}

/** What a fleet does on the way. */
export interface FleetEvents {
  /** A server refused something or went away: the run is worth nothing. */
  failed(reason: string): void;
}

/** What publishers need to be told. */
export interface PublishersOptions {
  readonly count: number;
  readonly qos: 0 | 1;
  /** Most messages in one write. */
  readonly burst: number;
}

/** Connects publishers `dev-00000`, `dev-00001`, …; resolves when all of them may publish. */
export async function connectPublishers(endpoint: Endpoint, options: PublishersOptions, events: FleetEvents): Promise<Publisher[]> {
  const wire = wires[endpoint.wire];
  const identities = Array.from({ length: options.count }, (_, index) => identity(endpoint, "dev", "device", index));
  const publishers: Publisher[] = [];
  await inParallel(options.count, (index, ready) => {
    const who = identities[index] ?? { id: "", token: "" };
    const batch = new FrameBatch(wire.createTemplate(who, { publisher: index, qos: options.qos }), options.burst);
    let publisher: Publisher | undefined;
    const connection = open(index, endpoint, events, (send) =>
      wire.createPublisher(who, {
        ready,
        send,
        acked: () => {
          if (publisher !== undefined) publisher.acked++;
        },
        refused: (reason) => events.failed(`publisher ${who.id}: ${reason}`),
      }),
    );
    publisher = { connection, batch, next: 0, acked: 0 };
    publishers[index] = publisher;
  });
  return publishers;
}

/** What subscribers need to be told. */
export interface SubscribersOptions {
  readonly count: number;
  readonly qos: 0 | 1;
  /** Called for each delivery; the bytes are valid during the call only. */
  onMessage(bytes: Uint8Array, start: number, end: number): void;
}

/** Connects subscribers to `status/#`; resolves when all subscriptions are live. */
export async function connectSubscribers(endpoint: Endpoint, options: SubscribersOptions, events: FleetEvents): Promise<Connection[]> {
  const wire = wires[endpoint.wire];
  const connections: Connection[] = [];
  await inParallel(options.count, (index, ready) => {
    const who = identity(endpoint, "app", "operator", index);
    connections[index] = open(index, endpoint, events, (send) =>
      wire.createSubscriber(who, { qos: options.qos }, {
        ready,
        send,
        message: options.onMessage,
        refused: (reason) => events.failed(`subscriber ${who.id}: ${reason}`),
      }),
    );
  });
  return connections;
}

/** Id of the publisher with that index. */
export function publisherId(index: number): string {
  return idOf("dev", index);
}

function idOf(prefix: string, index: number): string {
  return `${prefix}-${String(index).padStart(5, "0")}`;
}

function identity(endpoint: Endpoint, prefix: string, role: string, index: number): Identity {
  const id = idOf(prefix, index);
  return { id, token: endpoint.secret === undefined ? "" : signToken(endpoint.secret, { sub: id, roles: [role] }) };
}

function open(index: number, endpoint: Endpoint, events: FleetEvents, createPeer: (send: (bytes: Uint8Array) => void) => Peer): Connection {
  const connection: Connection = new Connection(
    createPeer((bytes) => connection.send(bytes)),
    { port: endpoint.port, index, onEnd: (reason) => events.failed(`${endpoint.wire} connection ${index}: ${reason}`) },
  );
  return connection;
}

function inParallel(count: number, start: (index: number, ready: () => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let started = 0;
    let done = 0;
    const timer = setTimeout(() => reject(new Error(`Cannot connect: ${done} of ${count} are ready after ${connectMs} ms`)), connectMs);
    const ready = (): void => {
      done++;
      if (done === count) {
        clearTimeout(timer);
        resolve();
      } else if (started < count) start(started++, ready);
    };
    while (started < Math.min(count, handshakes)) start(started++, ready);
  });
}
