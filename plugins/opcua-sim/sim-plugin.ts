import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { AuditPort, BusbarError, createWriteGuard, definePlugin, isExposed, type PluginContext, type WriteGuard } from "@busbar/core";
import * as v from "valibot";
import { compilePlant, type Plant } from "./compiled-plant.ts";
import { configSchema, type SimConfig, soundPlantSchema } from "./config.ts";
import { defaultPlant } from "./default-plant.ts";
import { openModbusServer } from "./modbus-server.ts";
import { openOpcuaServer } from "./opcua-server.ts";
import type { PlantSpec } from "./plant.ts";
import { obey, publishPlant } from "./plant-publisher.ts";
import { Simulation } from "./simulation.ts";

/** A simulated plant on the bus, as an OPC UA server and as a Modbus TCP server. */
export const opcuaSim = definePlugin({
  name: "opcua-sim",
  description: "A simulated plant that publishes readings and obeys commands, also served over OPC UA and Modbus TCP",
  config: configSchema,
  needs: { audit: AuditPort },
  listens: ({ opcua, modbus }) => [
    ...(opcua.enabled ? [{ what: "OPC UA server", at: ["opcua"], host: opcua.host, encrypted: false, insecure: opcua.insecure }] : []),
    ...(modbus.enabled ? [{ what: "Modbus TCP server", at: ["modbus"], host: modbus.host, encrypted: false, insecure: modbus.insecure }] : []),
  ],
  async setup(ctx) {
    const { config, clock } = ctx;
    const simulation = new Simulation(await loadPlant(ctx), { seed: config.seed, start: clock.now() });
    const writes = createWriteGuard(ctx);
    await serveOpcua(ctx, { simulation, writes });
    await serveModbus(ctx, { simulation, writes });
    if (config.bus) speakOnBus(ctx, { simulation, writes });
    simulation.step(clock.now());
    ctx.defer(clock.every(config.period, () => simulation.step(clock.now())));
  },
});

type Context = PluginContext<SimConfig, { audit: typeof AuditPort }>;

/** What everybody who may move the plant goes through. */
interface Way {
  readonly simulation: Simulation;
  readonly writes: WriteGuard;
}

async function loadPlant(ctx: Context): Promise<Plant> {
  const { plant, plantFile, fleet } = ctx.config;
  const spec = plantFile === undefined ? (plant ?? v.parse(soundPlantSchema, defaultPlant)) : await readPlant(ctx.path(plantFile));
  try {
    return compilePlant(spec, fleet);
  } catch (cause) {
    throw new BusbarError("CONFIG", `Cannot build the plant: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

async function readPlant(file: string): Promise<PlantSpec> {
  let data: unknown;
  try {
    data = JSON.parse(await readFile(file, "utf8"));
  } catch (cause) {
    throw new BusbarError("CONFIG", `Cannot read the plant in "${file}"`, { cause });
  }
  const result = v.safeParse(soundPlantSchema, data);
  if (result.success) return result.output;
  throw new BusbarError("CONFIG", `Cannot use the plant in "${file}": ${result.issues.map((issue) => `${v.getDotPath(issue) ?? "plant"}: ${issue.message}`).join("; ")}`);
}

function speakOnBus(ctx: Context, way: Way): void {
  const dropped = ctx.metrics.counter("busbar_opcua_sim_dropped_total", "Readings and alarms of the simulated plant that the bus had no room for");
  ctx.defer(publishPlant({ simulation: way.simulation, bus: ctx.bus, log: ctx.log, dropped, signal: ctx.signal }));
  for (const { id } of way.simulation.plant.machines) takeCommands(ctx, { ...way, id });
}

function takeCommands(ctx: Context, target: Way & { readonly id: string }): void {
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

async function serveOpcua(ctx: Context, way: Way): Promise<void> {
  const { enabled, host, port, helloTimeout, hostname: advertised, pki, trustedClients, insecure: _checked, ...settings } = ctx.config.opcua;
  if (!enabled) return;
  const server = await openOpcuaServer({
    ...way,
    clock: ctx.clock,
    log: ctx.log,
    refused: refusedBy(ctx, "opcua"),
    host,
    port,
    helloTimeout,
    settings: {
      ...settings,
      hostname: advertised ?? (host === "0.0.0.0" || host === "::" ? hostname() : host),
      pki: ctx.path(pki),
      trustedClients: trustedClients.map((file) => ctx.path(file)),
      sampling: Math.max(100, ctx.config.period),
    },
  });
  ctx.defer(() => server.close());
  ctx.defer(ctx.metrics.gauge("busbar_opcua_sim_connections", "Open connections to the simulated plant", () => server.connections, { protocol: "opcua" }));
  ctx.announce({ what: "OPC UA server", url: server.url, ...markOf(host) });
}

async function serveModbus(ctx: Context, way: Way): Promise<void> {
  const { enabled, host, port, maxConnections, idleTimeout } = ctx.config.modbus;
  if (!enabled) return;
  const server = await openModbusServer({ ...way, clock: ctx.clock, log: ctx.log, refused: refusedBy(ctx, "modbus"), host, port, maxConnections, idleTimeout });
  ctx.defer(() => server.close());
  ctx.defer(ctx.metrics.gauge("busbar_opcua_sim_connections", "Open connections to the simulated plant", () => server.connections, { protocol: "modbus" }));
  ctx.announce({ what: "Modbus TCP server", url: `modbus-tcp://${host.includes(":") ? `[${host}]` : host}:${server.port}`, ...markOf(host) });
}

/** Neither protocol is sure to be encrypted. */
const markOf = (host: string): { readonly insecure?: true } => (isExposed({ host, encrypted: false }) ? { insecure: true } : {});

const refusedBy = (ctx: Context, protocol: string) => ctx.metrics.counter("busbar_opcua_sim_refused_total", "Connections and requests that the servers of the simulated plant refused", { protocol });
