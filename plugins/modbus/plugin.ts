import { AuditPort, createWriteGuard, definePlugin, type Envelope, type PluginContext, type WriteGuard } from "@busbar/core";
import type { ChannelCounts } from "./channel.ts";
import { obey, type CommanderOptions } from "./commander.ts";
import { configSchema, unitsOf, type ModbusConfig, type UnitEntry } from "./config.ts";
import { Device } from "./device.ts";
import { Link } from "./link.ts";
import { openChannel } from "./open-channel.ts";
import { Outlet } from "./outlet.ts";
import { maxWriteRegisters } from "./pdu.ts";
import { createPoint } from "./point.ts";
import { PollGroup } from "./poll-group.ts";
import { RequestQueue } from "./request-queue.ts";
import { TagState } from "./tag-state.ts";
import { UnitClient } from "./unit-client.ts";
import { Writer } from "./writer.ts";

/** A Modbus client: the devices behind one connection, read in groups, written to by commands. */
export const modbus = definePlugin({
  name: "modbus",
  description: "Client to Modbus devices over TCP, RTU over TCP or a serial line: readings with quality and time, commands with read-back",
  config: configSchema,
  needs: { audit: AuditPort },
  setup(ctx) {
    const { config, clock } = ctx;
    const counts: ChannelCounts = { late: 0, noise: 0 };
    const line = config.serial !== undefined || config.framing === "rtu";
    const queue = new RequestQueue({ clock, perUnit: line ? 1 : config.perUnit, silences: config.serial === undefined ? silences : Number.POSITIVE_INFINITY });
    const dropped = ctx.metrics.counter("busbar_modbus_dropped_total", "Readings that the bus had no room for", { instance: ctx.id });
    const outlet = new Outlet({ bus: ctx.bus, log: ctx.log, signal: ctx.signal, qos: config.qos, dropped });
    const guard = createWriteGuard(ctx);
    const devices = config.devices.flatMap(unitsOf).map((entry, at, { length }) => addDevice(ctx, { entry, phase: at / length, queue, outlet, guard }));
    const link = new Link({
      clock, queue, reconnect: config.reconnect,
      log: ctx.log.child({ device: placeOf(config) }),
      open: (signal) => openChannel({ ...config, silence: config.pause }, { clock, counts, signal }),
      onUp: () => devices.forEach((device) => device.connect()),
      onDown: () => devices.forEach((device) => device.disconnect()),
    });
    measure(ctx, link, counts);
    for (const device of devices) ctx.defer(device.start());
    ctx.run((signal) => link.run(signal));
    ctx.announce({ what: "Modbus client", url: placeOf(config) });
  },
});

type Context = PluginContext<ModbusConfig, { audit: typeof AuditPort }>;

/** Requests in a row that nobody answers, after which a TCP connection is taken for dead: the other side may have gone without a word. */
const silences = 6;

function placeOf({ host = "", port, framing, serial }: ModbusConfig): string {
  if (serial) return `modbus-rtu:${serial.path}`;
  return `modbus-${framing === "tcp" ? "tcp" : "rtu-tcp"}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

interface Way {
  readonly entry: UnitEntry;
  /** 0 to 1. */
  readonly phase: number;
  readonly queue: RequestQueue;
  readonly outlet: Outlet;
  readonly guard: WriteGuard;
}

function addDevice(ctx: Context, { entry: { id, unit, entry }, phase, queue, outlet, guard }: Way): Device {
  const { config, clock, metrics } = ctx;
  const labels = { instance: ctx.id, device: id };
  const counts = {
    requests: metrics.counter("busbar_modbus_requests_total", "Requests to a device, retries included", labels),
    cells: metrics.counter("busbar_modbus_cells_total", "Registers and bits that were asked for", labels),
    exceptions: metrics.counter("busbar_modbus_exceptions_total", "Requests that were answered with an exception", labels),
    timeouts: metrics.counter("busbar_modbus_timeouts_total", "Requests that were not answered in time", labels),
    malformed: metrics.counter("busbar_modbus_malformed_total", "Answers that were none to their request", labels),
  };
  const client = new UnitClient({ clock, queue, unit, timeout: entry.timeout, retries: entry.retries, counts });
  const line = config.serial !== undefined || config.framing === "rtu";
  const limits = { maxRegisters: entry.maxRegisters, maxBits: entry.maxBits, maxGap: entry.maxGap ?? (line ? 10 : 2000), relearn: entry.relearn };
  const tags = entry.points.map((point) => new TagState(createPoint(point, entry)));
  const periods = Object.entries({ default: entry.period, ...entry.groups });
  const groups = periods.flatMap(([name, period]) => {
    const own = tags.filter(({ point }) => point.group === name);
    return own.length === 0 ? [] : [new PollGroup({ name, period, tags: own }, { clock, limits, width: line ? 1 : config.perUnit, gone: () => client.gone !== undefined })];
  });
  const missed = metrics.counter("busbar_modbus_missed_total", "Reads that were due while the one before still went on", labels);
  const device = new Device({ clock, id, client, groups, outlet, phase, publish: config.publish, heartbeat: config.heartbeat, missed, fail: (error) => ctx.fail(error) });
  ctx.defer(metrics.gauge("busbar_modbus_online", "Whether a device answers: 1 or 0", () => device.online, labels));
  ctx.defer(metrics.gauge("busbar_modbus_lag_seconds", "Time from when a read was due until its readings were there, of the slowest group", () => device.lag / 1000, labels));
  const { writeFunctions: functions, maskWrite, maxRegisters, readBackWithin } = entry;
  const writer = new Writer({ clock, client, functions, maskWrite, maxRegisters, readBackWithin });
  takeCommands(ctx, { clock, device, writer, guard, maxRegisters: Math.min(maxRegisters, maxWriteRegisters) });
  return device;
}

/** One command at a time: the subscription waits for each. */
function takeCommands(ctx: Context, options: CommanderOptions): void {
  const { bus, log, signal } = ctx;
  const from = options.device.id;
  const subscription = bus.subscribe(`command/${from}`, async (command: Envelope) => {
    const payload = await obey(command, options);
    log.debug("command answered", { device: from, msgid: command.msgid, status: payload.status });
    const ack = { type: "ack", from, to: command.from, payload, qos: command.qos };
    if (command.qos === 0) return void bus.publish(ack);
    try {
      await bus.deliver(ack); // whoever wanted the command kept wants to know how it ended
    } catch (error) {
      if (!signal.aborted) log.error("answer to a command could not be delivered", { device: from, msgid: command.msgid, error });
    }
  });
  ctx.defer(() => subscription.close());
}

function measure(ctx: Context, link: Link, counts: ChannelCounts): void {
  const { metrics } = ctx;
  const labels = { instance: ctx.id };
  ctx.defer(metrics.gauge("busbar_modbus_connected", "Whether there is a connection: 1 or 0", () => (link.up ? 1 : 0), labels));
  ctx.defer(metrics.gauge("busbar_modbus_reconnects", "Connections after the first", () => link.reconnects, labels));
  ctx.defer(metrics.gauge("busbar_modbus_late_answers", "Answers that nobody waited for any more", () => counts.late, labels));
  ctx.defer(metrics.gauge("busbar_modbus_noise_bytes", "Bytes on a line that belonged to no answer", () => counts.noise, labels));
}
