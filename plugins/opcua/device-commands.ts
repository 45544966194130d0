import { BusbarError, type Bus, type Clock, type Envelope, type Log, type WriteGuard } from "@busbar/core";
import type { Alarms } from "./alarms.ts";
import { carryOut, parseCommand } from "./command.ts";
import { CommandError } from "./command-error.ts";
import type { OpcuaConfig } from "./config.ts";
import { resolveMethods, type MethodTarget } from "./methods.ts";
import type { Selection } from "./selection.ts";
import type { ServerLife } from "./server-link.ts";

/** What takes commands. */
export interface DeviceCommandsOptions {
  readonly config: OpcuaConfig;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly writes: WriteGuard;
  readonly selection: Selection;
  readonly alarms: Alarms | undefined;
  /** The device of methods that name none. */
  readonly device: string;
  /** The connection there is, if any. */
  readonly life: () => ServerLife | undefined;
}

/** Takes the commands to the devices of a server, one after the other for each, and answers every one. */
export class DeviceCommands {
  readonly #options: DeviceCommandsOptions;
  /** By device and name; those that the server has. */
  #methods: ReadonlyMap<string, MethodTarget> = new Map();

  constructor(options: DeviceCommandsOptions) {
    this.#options = options;
  }

  /** Takes commands to a device from now on. Returns what ends it. */
  listen(device: string): () => void {
    const subscription = this.#options.bus.subscribe(`command/${device}`, (command) => this.#take(device, command));
    return () => subscription.close();
  }

  /** Finds the methods of the config at a server. @throws {Error} of the client library when it does not answer. */
  async findMethods({ view, signal }: ServerLife): Promise<void> {
    const { config, device, log } = this.#options;
    const targets = await resolveMethods(view, config.methods, { signal });
    const found = config.methods.flatMap((entry, at): [string, MethodTarget][] => {
      const target = targets[at]!;
      if (!("problem" in target)) return [[`${entry.device ?? device} ${entry.name}`, target]];
      log.warn("a method is not there", { method: entry.name, reason: target.problem });
      return [];
    });
    this.#methods = new Map(found);
  }

  async #take(device: string, command: Envelope): Promise<void> {
    const { bus, clock, log, signal } = this.#options;
    if (command.expires !== undefined && command.expires <= clock.now()) return log.debug("command expired", { device, msgid: command.msgid });
    const payload = { msgid: command.msgid, ...(await this.#answer(device, command)) };
    const ack = { type: "ack", from: device, to: command.from, payload, qos: command.qos };
    if (command.qos === 0) return void bus.publish(ack);
    try {
      await bus.deliver(ack);
    } catch (error) {
      if (!signal.aborted) log.error("answer to a command could not be delivered", { device, msgid: command.msgid, error });
    }
  }

  async #answer(device: string, { from, msgid, payload, topic }: Envelope): Promise<{ readonly status: "ok" | "error"; readonly result: unknown }> {
    const { writes, selection, alarms, life: current, log } = this.#options;
    try {
      writes.check({ target: device, id: from, topic, msgid });
      const command = parseCommand(payload);
      const life = current();
      if (life === undefined) throw new CommandError("UNAVAILABLE", "Cannot carry out the command: there is no connection to the server");
      const { view, signal } = life;
      const result = await carryOut(command, { view, signal, alarms, nodeOf: (tag) => selection.get(device, tag)?.nodeId, methodOf: (name) => this.#methods.get(`${device} ${name}`) });
      return { status: "ok", result };
    } catch (error) {
      if (error instanceof CommandError) {
        log.debug("command refused", { device, msgid, error });
        return { status: "error", result: { code: error.code, message: error.message, ...(error.status === undefined ? {} : { status: error.status }) } };
      }
      if (error instanceof BusbarError && error.code === "FORBIDDEN") return { status: "error", result: { code: error.code, message: error.message } };
      log.warn("a command could not be carried out", { device, msgid, error });
      return { status: "error", result: { code: "UNAVAILABLE", message: "Cannot carry out the command: the connection to the server has ended" } };
    }
  }
}
