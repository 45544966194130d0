import { AuditPort, createWriteGuard, definePlugin, isExposed, type PluginContext, type WriteGuard } from "@busbar/core";
import { configSchema, type SimConfig } from "./config.ts";
import { publishFaults } from "./fault-publisher.ts";
import type { ModbusServer } from "./modbus-server.ts";
import { obey, publishPlant } from "./plant-publisher.ts";
import { assemblePlant, type SimulatedPlant } from "./simulated-plant.ts";

/** A simulated plant on the bus, as an OPC UA server and as a Modbus TCP server. */
export const opcuaSim = definePlugin({
  name: "opcua-sim",
  description: "A simulated plant that publishes readings and obeys commands, also served over OPC UA and Modbus TCP",
  config: configSchema,
  needs: { audit: AuditPort },
  listens: ({ opcua, modbus }) => [
    ...(opcua.enabled ? [{ what: "OPC UA server", at: ["opcua"], host: opcua.host, encrypted: false, insecure: opcua.insecure }] : []),
    ...(modbus.enabled || modbus.fleet ? [{ what: "Modbus TCP server", at: ["modbus"], host: modbus.host, encrypted: false, insecure: modbus.insecure }] : []),
  ],
  async setup(ctx) {
    const writes = createWriteGuard(ctx);
    const plant = await assemblePlant(ctx.config, { clock: ctx.clock, log: ctx.log, metrics: ctx.metrics, path: (relative) => ctx.path(relative), writes });
    ctx.defer(() => plant.close());
    tellServers(ctx, plant);
    speakOnBus(ctx, { plant, writes });
    plant.start();
  },
});

type Context = PluginContext<SimConfig, { audit: typeof AuditPort }>;

/** Whom a command is for, and what it goes through. */
interface CommandTarget {
  readonly plant: SimulatedPlant;
  readonly writes: WriteGuard;
  readonly id: string;
  /** Undefined for the plant as a whole. */
  readonly machine?: string;
}

/** The machines speak for themselves unless the config says `bus: false`; the test bench always listens. */
function speakOnBus(ctx: Context, { plant, writes }: Pick<CommandTarget, "plant" | "writes">): void {
  const { id, bus, log, signal } = ctx;
  const { machines } = plant.simulation.plant;
  const dropped = ctx.metrics.counter("busbar_opcua_sim_dropped_total", "Readings and events of the simulated plant that the bus had no room for");
  const options = { plant, bus, log, dropped, signal };
  ctx.defer(publishFaults({ ...options, speakerOf: (machine) => (ctx.config.bus && plant.simulation.machine(machine) ? machine : id) }));
  if (ctx.config.bus) {
    ctx.defer(publishPlant(options));
    for (const machine of machines) takeCommands(ctx, { plant, writes, id: machine.id, machine: machine.id });
    if (plant.simulation.machine(id)) return; // a machine of the instance's own name
  }
  takeCommands(ctx, { plant, writes, id });
}

function takeCommands(ctx: Context, target: CommandTarget): void {
  const { bus, clock, log } = ctx;
  const subscription = bus.subscribe(`command/${target.id}`, async (command) => {
    const now = clock.now();
    if (command.expires !== undefined && command.expires <= now) return log.debug("command expired", { device: target.id, msgid: command.msgid });
    const payload = obey(command, { ...target, now });
    log.debug("command obeyed", { device: target.id, msgid: command.msgid, status: payload.status });
    const ack = { type: "ack", from: target.id, to: command.from, payload, qos: command.qos };
    if (command.qos === 0) return void bus.publish(ack);
    try {
      await bus.deliver(ack); // whoever wanted the command kept wants to know how it ended
    } catch (error) {
      if (!ctx.signal.aborted) log.error("answer to a command could not be delivered", { device: target.id, msgid: command.msgid, error });
    }
  });
  ctx.defer(() => subscription.close());
}

/** Says where the servers are and how many use them. */
function tellServers(ctx: Context, { opcua, modbus, modbusFleet, faults }: SimulatedPlant): void {
  const gauge = (protocol: string, read: () => number): void => ctx.defer(ctx.metrics.gauge("busbar_opcua_sim_connections", "Open connections to the simulated plant", read, { protocol }));
  const tellModbus = (what: string, framing: string, server: ModbusServer): void => {
    const { host } = ctx.config.modbus;
    ctx.announce({ what, url: `modbus-${framing}://${host.includes(":") ? `[${host}]` : host}:${server.port}`, ...markOf(host) });
  };
  if (opcua) {
    gauge("opcua", () => opcua.connections);
    ctx.announce({ what: "OPC UA server", url: opcua.url, ...markOf(ctx.config.opcua.host) });
  }
  if (modbus) tellModbus("Modbus TCP server", ctx.config.modbus.framing, modbus);
  for (const server of modbusFleet) tellModbus("Modbus fleet", ctx.config.modbus.fleet?.framing ?? "tcp", server);
  const servers = modbus ? [modbus, ...modbusFleet] : modbusFleet;
  if (servers.length > 0) gauge("modbus", () => servers.reduce((sum, server) => sum + server.connections, 0));
  ctx.defer(ctx.metrics.gauge("busbar_opcua_sim_faults", "Faults that the simulated plant has", () => faults.active.length));
  const begun = new Map<string, { value: number }>();
  faults.listen({
    began({ fault: { kind } }) {
      let counter = begun.get(kind);
      if (!counter) begun.set(kind, (counter = ctx.metrics.counter("busbar_opcua_sim_faults_total", "Faults that the simulated plant has had", { kind })));
      counter.value++;
    },
  });
}

/** Neither protocol is sure to be encrypted. */
const markOf = (host: string): { readonly insecure?: true } => (isExposed({ host, encrypted: false }) ? { insecure: true } : {});
