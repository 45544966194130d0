import { formatMarker, MarkerReader } from "../wires/marker.ts";
import { wires } from "../wires/registry.ts";
import type { Connection } from "./connection.ts";
import { connectPublishers, connectSubscribers, publisherId } from "./fleet.ts";
import type { Publisher } from "./fleet.ts";
import type { TrafficJob, TrafficResult } from "./job.ts";
import { LatencyRecorder } from "./latency.ts";
import { createClosedLoop, createOpenLoop } from "./pace.ts";
import type { Pace } from "./pace.ts";
import { readBusyUs, readUsage } from "./procfs.ts";
import type { Usage } from "./procfs.ts";

/** What has not come after this long without any progress is lost. */
const patienceMs = 1000;

/** Every so many deliveries the whole content is compared with what was sent; the first one always is. */
const checkMask = 4095;

/** Most messages of one write in an open loop that has fallen behind. */
const catchUp = 32;

interface Snapshot extends Usage {
  readonly at: number;
  /** Microseconds that programs other than the server and this one have run on either CPU. */
  readonly othersUs: readonly number[];
  readonly delivered: number;
}

/**
 * Sends and receives as `job` says: connects, proves with one message that the way is open, warms up, measures, and waits for
 * what is still on its way.
 * @throws Error when the server refuses anything, closes a connection, or delivers nothing.
 */
export async function runTraffic(job: TrafficJob): Promise<TrafficResult> {
  const failure = Promise.withResolvers<never>();
  const events = { failed: (reason: string) => failure.reject(new Error(reason)) };
  const traffic = new Traffic(job);
  const work = async (): Promise<TrafficResult> => {
    traffic.subscribers = await connectSubscribers(
      job.subscribe,
      { count: job.subscribers, qos: job.qos, onMessage: traffic.onMessage },
      events,
    );
    const burst = job.rate > 0 ? catchUp : job.burst;
    traffic.publishers = await connectPublishers(job.publish, { count: job.publishers, qos: job.qos, burst }, events);
    return traffic.run();
  };
  try {
    return await Promise.race([work(), failure.promise]);
  } finally {
    traffic.close();
  }
}

class Traffic {
  publishers: Publisher[] = [];
  subscribers: Connection[] = [];
  readonly #job: TrafficJob;
  readonly #latency = new LatencyRecorder();
  readonly #marker = new MarkerReader();
  readonly #sampleMask: number;
  readonly #newest: Float64Array;
  #pace: Pace | undefined;
  #sent = 0;
  #delivered = 0;
  #writtenOff = 0;
  #reordered = 0;
  /**
   * Sequence number of the first message. It goes up by a thousand each millisecond, faster than anybody publishes, so that no two jobs
   * against one server share a `msgid`: a server that drops duplicates would drop the second job.
   */
  readonly #base = (Date.now() % 900_000) * 1000;
  #first = 0;

  constructor(job: TrafficJob) {
    this.#job = job;
    this.#newest = new Float64Array(job.publishers).fill(-1);
    // Decoding each of a few thousand messages a second costs nothing; of several hundred thousand it would be the limit.
    this.#sampleMask = job.rate > 0 && job.rate * job.subscribers <= 20_000 ? 0 : 15;
  }

  readonly onMessage = (bytes: Uint8Array, start: number, end: number): void => {
    this.#delivered++;
    if ((this.#delivered & this.#sampleMask) !== 0 && this.#pace !== undefined) return;
    if (!this.#marker.read(bytes, start, end)) throw new Error(`Cannot find the marker: ${Buffer.from(bytes.subarray(start, end)).toString("latin1")}`);
    const { publisher, sequence } = this.#marker;
    if (this.#pace === undefined || (this.#delivered & checkMask) === 0) this.#check(bytes.subarray(start, end), publisher, sequence);
    if (this.#pace === undefined) return;
    if (this.#job.subscribers === 1) {
      if (sequence <= (this.#newest[publisher] ?? -1)) this.#reordered++;
      else this.#newest[publisher] = sequence;
    }
    if (sequence >= this.#first) this.#latency.record(this.#pace.dueAt(publisher, sequence), performance.now());
  };

  #check(delivery: Uint8Array, publisher: number, sequence: number): void {
    const expected = { marker: formatMarker(publisher, sequence), from: publisherId(publisher), qos: this.#job.qos };
    if (!wires[this.#job.subscribe.wire].isComplete(delivery, expected)) {
      throw new Error(`Cannot trust the server: ${expected.marker} was delivered as ${Buffer.from(delivery).toString("latin1")}`);
    }
  }

  async run(): Promise<TrafficResult> {
    const job = this.#job;
    await this.#probe();
    // Bursts are counted from here, so that a sequence number tells its burst.
    this.#first = this.#base + job.burst;
    for (const publisher of this.publishers) publisher.next = this.#first;
    const start = performance.now();
    const options = { publishers: job.publishers, first: this.#first };
    this.#pace =
      job.rate > 0
        ? createOpenLoop(job.rate, { ...options, start })
        : createClosedLoop((index) => this.#room(index), { ...options, burst: job.burst, window: job.window });
    await this.#pump(start + job.warmupMs);
    const before = this.#snapshot();
    this.#latency.begin(before.at);
    await this.#pump(before.at + job.measureMs);
    const after = this.#snapshot();
    await this.#drain();
    const seconds = (after.at - before.at) / 1000;
    const deliveries = after.delivered - before.delivered;
    const cpuUs = after.cpuUs - before.cpuUs;
    return {
      kind: "traffic",
      sent: this.#sent,
      delivered: this.#delivered,
      acked: this.publishers.reduce((sum, publisher) => sum + publisher.acked, 0),
      lost: this.#sent * job.subscribers - this.#delivered,
      reordered: this.#reordered,
      perSecond: deliveries / seconds,
      cpuUs: cpuUs / Math.max(1, deliveries),
      serverLoad: cpuUs / 1e6 / seconds,
      disturbed: Math.max(0, ...after.othersUs.map((us, index) => (us - (before.othersUs[index] ?? 0)) / 1e6 / seconds)),
      rssMib: after.rssKib / 1024,
      ...this.#latency.summary(),
    };
  }

  close(): void {
    for (const publisher of this.publishers) publisher?.connection.close();
    for (const subscriber of this.subscribers) subscriber?.close();
  }

  /** One message from the first publisher must reach every subscriber. */
  async #probe(): Promise<void> {
    const publisher = this.publishers[0];
    publisher?.connection.sendBatch(publisher.batch.stamp(this.#base, 1, Date.now()));
    this.#sent = 1;
    await this.#drain();
    if (this.#delivered !== this.#job.subscribers) {
      throw new Error(`Cannot begin: the first message reached ${this.#delivered} of ${this.#job.subscribers} subscribers`);
    }
  }

  /** How many more messages publisher `index` may have on their way. */
  #room(index: number): number {
    const { window, subscribers, publishers, burst, qos } = this.#job;
    const total = window - (this.#sent - (this.#delivered + this.#writtenOff) / subscribers);
    if (qos === 0) return total;
    const publisher = this.publishers[index];
    const unacked = publisher === undefined ? 0 : publisher.next - this.#first - publisher.acked + (index === 0 ? 1 : 0);
    return Math.min(total, Math.max(2 * burst, window / publishers) - unacked);
  }

  /** Sends what is due until `until`. Spins instead of sleeping: the load generator has its CPU to itself, and timers are 1 ms coarse. */
  #pump(until: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let turn = 0;
    let progressAt = performance.now();
    let seen = this.#delivered;
    const round = (): void => {
      const now = performance.now();
      if (now >= until) return resolve();
      if (this.#delivered !== seen) {
        seen = this.#delivered;
        progressAt = now;
      } else if (now - progressAt > patienceMs && this.#job.rate === 0) {
        // A full window without progress would stand still for ever: what is missing is lost.
        this.#writtenOff = this.#sent * this.#job.subscribers - this.#delivered;
        progressAt = now;
      }
      try {
        this.#sendDue(turn++, now);
      } catch (error) {
        return reject(error);
      }
      setImmediate(round);
    };
    round();
    return promise;
  }

  #sendDue(turn: number, now: number): void {
    const pace = this.#pace;
    const count = this.publishers.length;
    const wallClock = Date.now();
    for (let i = 0; i < count && pace !== undefined; i++) {
      // Another one goes first each time: else the first publishers would take the whole window.
      const index = (turn + i) % count;
      const publisher = this.publishers[index];
      if (publisher === undefined || publisher.connection.busy) continue;
      const due = Math.min(pace.due(index, now), this.#job.rate > 0 ? catchUp : this.#job.burst);
      if (due === 0) continue;
      pace.sent(index, due, now);
      publisher.connection.sendBatch(publisher.batch.stamp(publisher.next, due, wallClock));
      publisher.next += due;
      this.#sent += due;
    }
  }

  /** Waits until everything has arrived, or nothing has for a while. */
  async #drain(): Promise<void> {
    let progressAt = performance.now();
    let seen = -1;
    while (performance.now() - progressAt < patienceMs) {
      const acked = this.#job.qos === 1 ? this.publishers.reduce((sum, publisher) => sum + publisher.acked, 0) : this.#sent;
      if (this.#delivered >= this.#sent * this.#job.subscribers && acked >= this.#sent) return;
      if (this.#delivered + acked !== seen) {
        seen = this.#delivered + acked;
        progressAt = performance.now();
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #snapshot(): Snapshot {
    const usage = readUsage(this.#job.pid);
    const { server, generator } = this.#job.cpus;
    const { user, system } = process.cpuUsage();
    const othersUs =
      server === undefined || generator === undefined ? [] : [readBusyUs(server) - usage.cpuUs, readBusyUs(generator) - user - system];
    return { ...usage, othersUs, at: performance.now(), delivered: this.#delivered };
  }
}
