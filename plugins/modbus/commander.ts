import { BusbarError, type Clock, type CommandAnswer, type Envelope, type WriteGuard } from "@busbar/core";
import * as v from "valibot";
import { CommandError, type CommandErrorCode } from "./command-error.ts";
import type { Device } from "./device.ts";
import { ModbusFault } from "./modbus-fault.ts";
import type { TagState } from "./tag-state.ts";
import { planWrites, type WantedValue, type Write } from "./write-plan.ts";
import { encodeValue } from "./write-value.ts";
import type { Shown, Writer } from "./writer.ts";

/** What carries out the commands of one device. */
export interface CommanderOptions {
  readonly clock: Clock;
  readonly device: Device;
  readonly writer: Writer;
  readonly guard: WriteGuard;
  /** Registers of one write at the most. */
  readonly maxRegisters: number;
}

const commandSchema = v.strictObject({ set: v.pipe(v.record(v.string(), v.unknown()), v.check((set) => Object.keys(set).length >= 1 && Object.keys(set).length <= 1000)) });

interface Wanted extends WantedValue {
  readonly state: TagState;
  readonly value: unknown;
}

/** Carries out a command `{"set":{"<tag>":<value>,…}}`: all of it is checked before any of it is written. One at a time: whoever calls waits for the one before. Resolves with the payload of the `ack`. */
export async function obey(command: Envelope, options: CommanderOptions): Promise<CommandAnswer> {
  const { clock, device, guard } = options;
  const { msgid } = command;
  try {
    guard.check({ target: device.id, id: command.from, topic: command.topic, msgid });
    const { success, output } = v.safeParse(commandSchema, command.payload);
    if (!success) throw new CommandError("BAD_COMMAND", 'Cannot carry out the command: it is not {"set":{"<tag>":<value>}} with 1 to 1000 tags');
    if (command.expires !== undefined && command.expires <= clock.now()) throw new CommandError("EXPIRED", "Cannot carry out the command: its time is over");
    const wanted = Object.entries(output.set).map(([tag, value]) => want(device, tag, value));
    return { msgid, status: "ok", result: await carryOut(wanted, options) };
  } catch (error) {
    if (!(error instanceof CommandError) && !(error instanceof BusbarError && error.code === "FORBIDDEN")) throw error;
    return { msgid, status: "error", result: { code: error.code, message: error.message } };
  }
}

function want(device: Device, tag: string, value: unknown): Wanted {
  const state = device.tags.find(({ point }) => point.tag === tag);
  if (state === undefined) throw new CommandError("NO_SUCH_TAG", `Cannot set ${JSON.stringify(tag)}: ${device.id} has no such tag`);
  if (!state.point.writable) throw new CommandError("READ_ONLY", `Cannot set ${JSON.stringify(tag)}: it is not writable`);
  return { state, value, point: state.point, ...encodeValue(state.point, value) };
}

/** Returns the values as they are now. */
async function carryOut(wanted: readonly Wanted[], { clock, device, writer, maxRegisters }: CommanderOptions): Promise<Record<string, unknown>> {
  const checked = wanted.filter(({ point }) => point.readBack);
  let unheard: ModbusFault | undefined;
  const done: Write[] = [];
  for (const write of planWrites(wanted, { maxRegisters })) {
    try {
      await writer.write(write);
      done.push(write);
    } catch (error) {
      // Nobody knows whether it was carried out: the device may show it.
      if (error instanceof ModbusFault && error.kind !== "no-connection" && error.kind !== "exception" && write.tags.every((tag) => checked.some(({ point }) => point.tag === tag))) unheard = error;
      else throw commandError(error, { write, done });
    }
  }
  const shown = await look(checked, writer);
  const now = clock.now();
  for (const { wanted: { state }, cells } of shown) state.take(toData(cells, state.point.table === "coil"), state.address, now);
  if (checked.length > 0) await device.tell(checked.map(({ state }) => state));
  const other = shown.filter(({ confirmed }) => !confirmed);
  if (other.length > 0 && unheard) throw commandError(unheard);
  if (other.length > 0) throw new CommandError("NOT_CONFIRMED", `Cannot confirm the command: the device took it, and shows ${other.map(({ wanted: { state } }) => `${JSON.stringify(state.value)} for ${JSON.stringify(state.point.tag)}`).join(", ")}`);
  return Object.fromEntries(wanted.map(({ state, point, value }) => [point.tag, point.readBack ? state.value : value]));
}

async function look(checked: readonly Wanted[], writer: Writer): Promise<readonly Shown<Wanted>[]> {
  if (checked.length === 0) return [];
  try {
    return await writer.readBack(checked);
  } catch (error) {
    throw commandError(error);
  }
}

/** Cells as the data of an answer. */
function toData(cells: readonly number[], bits: boolean): Uint8Array {
  if (!bits) return Uint8Array.from(cells.flatMap((word) => [word >> 8, word & 0xff]));
  const data = new Uint8Array(Math.ceil(cells.length / 8));
  cells.forEach((bit, at) => (data[at >> 3]! |= bit << (at & 7)));
  return data;
}

/** What a fault makes of a command; `done`: writes that were carried out before. Anything else is passed on. */
function commandError(error: unknown, { write, done = [] }: { readonly write?: Write; readonly done?: readonly Write[] } = {}): unknown {
  if (!(error instanceof ModbusFault)) return error;
  const tags = write === undefined ? "the command" : write.tags.map((tag) => JSON.stringify(tag)).join(", ");
  const before = done.length === 0 ? "" : `; ${done.flatMap((one) => one.tags).map((tag) => JSON.stringify(tag)).join(", ")} was set before`;
  const code: CommandErrorCode = error.kind === "no-connection" ? "NO_CONNECTION" : error.silent ? "NO_ANSWER" : error.kind === "malformed" ? "BAD_ANSWER" : "DEVICE_REFUSED";
  return new CommandError(code, `Cannot ${write === undefined ? "confirm" : "set"} ${tags}: ${error.message}${before}`, { cause: error });
}
