import type { Clock } from "@busbar/core";
import { FaultEvents } from "./fault-events.ts";
import { ModbusFault } from "./modbus-fault.ts";
import { cellsOf } from "./pdu.ts";
import type { Outlet } from "./outlet.ts";
import type { Ask, PollGroup } from "./poll-group.ts";
import type { TagReading, TagState } from "./tag-state.ts";
import type { UnitClient } from "./unit-client.ts";

/** What a device is made of. */
export interface DeviceOptions {
  readonly clock: Clock;
  /** Its id on the bus. */
  readonly id: string;
  readonly client: UnitClient;
  readonly groups: readonly PollGroup[];
  readonly outlet: Outlet;
  /** Which part of a period after the start its schedule begins, 0 to 1: devices that take turns do not all ask at the same moment. */
  readonly phase: number;
  /** Whether readings that are as before go out too. */
  readonly publish: "always" | "on-change";
  /** Milliseconds after which all readings of a group go out whether they changed or not; 0 = never. */
  readonly heartbeat: number;
  /** Counts reads that were due while the one before still went on, or while this process stood still. */
  readonly missed: { value: number };
  /** Told what nobody expected. */
  readonly fail: (error: unknown) => void;
}

/** Milliseconds: the first and the longest pause before a device that is gone is asked again. */
const probePause = { first: 1000, most: 30_000 } as const;

/** When a group was read last, counted in periods from the start, and what came of it. */
interface Rhythm {
  readonly group: PollGroup;
  busy: boolean;
  turn: number;
  /** Milliseconds since the Unix epoch: when all readings of the group went out last. */
  complete: number;
  /** Milliseconds from when the last read was due until its readings were there. */
  lag: number;
}

/** One device: reads its groups, each at its own times, and says what it reads. The n-th read is due n periods after the start, however long the reads before took. */
export class Device {
  readonly id: string;
  readonly tags: readonly TagState[];
  readonly #options: DeviceOptions;
  readonly #rhythms: readonly Rhythm[];
  readonly #faults: FaultEvents;
  #presence: "online" | "offline" | undefined;
  #connected = false;
  #cancelProbe: () => void = () => {};

  constructor(options: DeviceOptions) {
    this.id = options.id;
    this.#options = options;
    this.#rhythms = options.groups.map((group) => ({ group, busy: false, turn: 0, complete: 0, lag: 0 }));
    this.tags = options.groups.flatMap(({ tags }) => tags);
    this.#faults = new FaultEvents(options.id, options.outlet);
  }

  /** Whether it answers: 1 or 0. */
  get online(): number {
    return this.#presence === "online" ? 1 : 0;
  }

  /** Milliseconds that the slowest group took last, from when it was due. */
  get lag(): number {
    return Math.max(0, ...this.#rhythms.map(({ lag }) => lag));
  }

  /** Begins to read. Returns what ends it. */
  start(): () => void {
    const { clock, phase } = this.#options;
    const ends = this.#rhythms.map((rhythm) => {
      const { period } = rhythm.group;
      const wait = Math.floor(phase * period);
      const begun = clock.now() + wait;
      let end = clock.after(wait, () => (end = clock.every(period, () => this.#tick(rhythm, begun))));
      return () => end();
    });
    return () => {
      for (const end of ends) end();
      this.#cancelProbe();
      if (this.#presence === "online") this.#options.outlet.presence(this.id, { presence: "offline", lastSeen: this.#options.client.heard });
    };
  }

  /** There is a connection: everything is read at once. */
  connect(): void {
    this.#connected = true;
    this.#options.client.forgive();
    this.#readAll();
  }

  /** There is no connection any more. */
  disconnect(): void {
    this.#connected = false;
    this.#cancelProbe();
    this.#lose(new ModbusFault("no-connection")).catch(this.#options.fail);
  }

  /** Says readings at once, such as those that a command has set. */
  async tell(tags: readonly TagState[]): Promise<void> {
    await this.#publishTags(tags);
  }

  readonly #ask: Ask = (pdu) => this.#options.client.ask(pdu, { cells: cellsOf(pdu) });

  #readAll(): void {
    for (const rhythm of this.#rhythms) this.#read(rhythm, this.#options.clock.now());
  }

  #tick(rhythm: Rhythm, begun: number): void {
    const { clock, missed } = this.#options;
    const turn = Math.max(rhythm.turn + 1, Math.floor((clock.now() - begun) / rhythm.group.period)); // a timer may come a millisecond early
    const stood = turn - rhythm.turn - 1; // turns for which this process stood still
    rhythm.turn = turn;
    if (!this.#connected || this.#options.client.gone) return;
    missed.value += stood;
    if (rhythm.busy) missed.value++;
    else this.#read(rhythm, begun + turn * rhythm.group.period);
  }

  #read(rhythm: Rhythm, due: number): void {
    const { outlet, fail, clock } = this.#options;
    if (rhythm.busy) return;
    if (outlet.paused) return outlet.drop(rhythm.group.tags.length);
    rhythm.busy = true;
    this.#poll(rhythm)
      .catch(fail)
      .finally(() => {
        rhythm.busy = false;
        rhythm.lag = clock.now() - due;
      });
  }

  async #poll(rhythm: Rhythm): Promise<void> {
    const { client, clock } = this.#options;
    await rhythm.group.read(this.#ask);
    if (!this.#connected) return;
    if (client.gone) return this.#lose(client.gone);
    if (client.present) this.#appear();
    this.#faults.update(this.tags, clock.now());
    await this.#publishGroup(rhythm);
  }

  async #publishGroup(rhythm: Rhythm): Promise<void> {
    const { publish, heartbeat, clock } = this.#options;
    const now = clock.now();
    const all = publish === "always" || (heartbeat > 0 && now - rhythm.complete >= heartbeat);
    const tags = all ? rhythm.group.tags : rhythm.group.tags.filter(({ changed }) => changed);
    if (tags.length === 0) return;
    if (all) rhythm.complete = now;
    await this.#publishTags(tags);
  }

  /** The time of the message is that of the newest reading. */
  async #publishTags(tags: readonly TagState[]): Promise<void> {
    const timestamp = tags.reduce((newest, tag) => Math.max(newest, tag.timestamp), 0) || this.#options.clock.now();
    const values: readonly TagReading[] = tags.map((tag) => tag.publish(timestamp));
    const quality = values.some((one) => one.quality === "bad") ? "bad" : values.some((one) => one.quality === "uncertain") ? "uncertain" : "good";
    await this.#options.outlet.status(this.id, { timestamp, payload: { values, quality } });
  }

  #appear(): void {
    if (this.#presence === "online") return;
    this.#presence = "online";
    this.#options.outlet.presence(this.id, { presence: "online", lastSeen: this.#options.clock.now() });
  }

  /** Every tag goes bad and keeps its last value; said once. While there is a connection the device is asked again with growing pauses. */
  async #lose(fault: ModbusFault): Promise<void> {
    const { clock, groups, outlet } = this.#options;
    if (this.#connected) this.#probeAfter(probePause.first);
    for (const group of groups) group.fail(fault);
    const now = clock.now();
    if (this.#presence !== "offline") outlet.presence(this.id, { presence: "offline", lastSeen: this.#options.client.heard });
    this.#presence = "offline";
    this.#faults.update(this.tags, now);
    const changed = this.tags.filter((tag) => tag.changed);
    if (changed.length > 0) await this.#publishTags(changed);
  }

  #probeAfter(pause: number): void {
    this.#cancelProbe();
    this.#cancelProbe = this.#options.clock.after(pause, () => {
      this.#probe(pause).catch(this.#options.fail);
    });
  }

  async #probe(pause: number): Promise<void> {
    const { groups, client } = this.#options;
    try {
      await groups[0]!.probe(this.#ask);
    } catch (error) {
      if (!(error instanceof ModbusFault)) throw error;
    }
    if (!this.#connected) return;
    if (client.gone) this.#probeAfter(Math.min(2 * pause, probePause.most));
    else this.#readAll();
  }
}
