import type { Clock } from "@busbar/core";
import { ModbusFault } from "./modbus-fault.ts";
import { encodeRead } from "./pdu.ts";
import { nextPause, ReadPlan, type PartedBlock, type PlannedBlock, type ReadPlanLimits } from "./read-plan.ts";
import type { TagState } from "./tag-state.ts";

/** Sends a PDU to the device and resolves with the data of its answer. @throws {ModbusFault} */
export type Ask = (pdu: Uint8Array) => Promise<Uint8Array>;

/** How a group is read. */
export interface PollGroupOptions {
  readonly clock: Clock;
  readonly limits: ReadPlanLimits;
  /** Requests that may be on their way at once. */
  readonly width: number;
  /** Whether the device is gone, so that there is no point in asking for more. */
  readonly gone: () => boolean;
}

/** The longest pause before a request that nobody answered, although the device answers others, is sent again. */
const longestSilence = 30_000;

/** Tags that are read together. */
export class PollGroup {
  readonly name: string;
  /** Milliseconds between two reads. */
  readonly period: number;
  readonly tags: readonly TagState[];
  readonly #options: PollGroupOptions;
  readonly #plan: ReadPlan<TagState>;
  #probes = 0;

  constructor({ name, period, tags }: Pick<PollGroup, "name" | "period" | "tags">, options: PollGroupOptions) {
    this.name = name;
    this.period = period;
    this.tags = tags;
    this.#options = options;
    this.#plan = new ReadPlan(tags, options.limits);
  }

  /** Reads every tag that is due. Never throws a fault: the tags have it. */
  async read(ask: Ask): Promise<void> {
    const blocks = this.#plan.blocks(this.#options.clock.now()).values();
    const silent: PlannedBlock<TagState>[] = [];
    let answered = false;
    const work = async (): Promise<void> => {
      for (const block of blocks) {
        if (this.#options.gone()) return;
        const fault = await this.#readBlock(block, ask);
        if (fault?.silent) silent.push(block);
        else answered = true;
      }
    };
    await Promise.all(Array.from({ length: this.#options.width }, work));
    const now = this.#options.clock.now();
    if (answered) for (const block of silent) block.silent = nextPause(block.silent, { now, most: longestSilence });
  }

  /** Sends one request alone, each time another one, to see whether the device is there. @throws {ModbusFault} */
  async probe(ask: Ask): Promise<void> {
    const blocks = this.#plan.blocks(this.#options.clock.now());
    const block = blocks[this.#probes++ % blocks.length];
    if (block !== undefined) await this.#take(block, ask);
  }

  /** Marks every tag. */
  fail(fault: ModbusFault): void {
    const now = this.#options.clock.now();
    for (const tag of this.tags) tag.fail(fault, now);
  }

  async #take(block: PlannedBlock<TagState>, ask: Ask): Promise<void> {
    const data = await ask(encodeRead(block.table, block.address, block.cells));
    const now = this.#options.clock.now();
    for (const tag of block.spans) tag.take(data, block.address, now);
    block.silent = undefined;
    block.refused = undefined;
    this.#plan.accept(block);
  }

  async #readBlock(block: PlannedBlock<TagState>, ask: Ask): Promise<ModbusFault | undefined> {
    const fault = await this.#tryBlock(block, ask);
    const now = this.#options.clock.now();
    if (!fault?.refusesRange || (block.refused !== undefined && now < block.refused.until)) return fault;
    const parts = this.#plan.split(block);
    if (parts === undefined) {
      this.#plan.refuse(block.spans, now);
      return fault;
    }
    // Where nothing at all is shown this is no matter of which cells: it is asked for as a whole until something is.
    if (!(await this.#takeApart({ block, parts }, ask))) block.refused = nextPause(block.refused, { now, most: longestSilence });
    return fault;
  }

  async #tryBlock(block: PlannedBlock<TagState>, ask: Ask): Promise<ModbusFault | undefined> {
    try {
      await this.#take(block, ask);
      return undefined;
    } catch (error) {
      if (!(error instanceof ModbusFault)) throw error;
      const now = this.#options.clock.now();
      for (const tag of block.spans) tag.fail(error, now);
      return error;
    }
  }

  /** Reads the parts of what was refused, and their parts. Returns whether anything was answered. */
  async #takeApart(parted: Parted, ask: Ask): Promise<boolean> {
    const refused: PlannedBlock<TagState>[] = [];
    const answered = await this.#readParts(parted, { ask, refused });
    const now = this.#options.clock.now();
    if (answered) for (const { spans } of refused) this.#plan.refuse(spans, now);
    return answered;
  }

  async #readParts({ block, parts }: Parted, search: Search): Promise<boolean> {
    let answered = false;
    let whole = 0;
    for (const part of parts) {
      if (this.#options.gone()) return answered;
      const fault = await this.#tryBlock(part, search.ask);
      if (fault === undefined) {
        whole++;
        answered = true;
      } else if (fault.refusesRange) {
        const smaller = this.#plan.split(part);
        if (smaller === undefined) search.refused.push(part);
        else if (await this.#readParts({ block: part, parts: smaller }, search)) answered = true;
      }
    }
    if (whole === 2) this.#plan.separate({ block, parts }, this.#options.clock.now());
    return answered;
  }
}

type Parted = PartedBlock<TagState>;

/** A search for what a device refuses. */
interface Search {
  readonly ask: Ask;
  /** What it refuses and cannot be parted. */
  readonly refused: PlannedBlock<TagState>[];
}
