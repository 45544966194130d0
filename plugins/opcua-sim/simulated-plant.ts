import { hostname } from "node:os";
import { BusbarError, type Clock, createLog, type Log, MetricsRegistry, type Metrics, systemClock, type WriteGuard } from "@busbar/core";
import * as v from "valibot";
import { configSchema, type SimConfig } from "./config.ts";
import { playFaults } from "./fault-script.ts";
import { Faults } from "./faults.ts";
import type { ModbusBank } from "./modbus-bank.ts";
import { modbusFramings, type ModbusFraming } from "./modbus-framing.ts";
import { plantBanks } from "./modbus-plant-bank.ts";
import { ModbusRequests } from "./modbus-requests.ts";
import { openModbusServer, type ModbusServer } from "./modbus-server.ts";
import { openOpcuaServer, type OpcuaServer } from "./opcua-server.ts";
import { loadPlant } from "./plant-source.ts";
import { Simulation } from "./simulation.ts";
import { TagHistory } from "./tag-history.ts";
import { playValueFaults } from "./value-faults.ts";

/** What a simulated plant lives in; each has a default, so that a test needs none. */
export interface SimulatedPlantSurroundings {
  readonly clock?: Clock;
  /** Default: none is kept. */
  readonly log?: Log;
  /** Default: some that nobody reads. */
  readonly metrics?: Metrics;
  /** Default: what the config's `allowWrites` says. */
  readonly writes?: WriteGuard;
  /** Makes paths of the config absolute. Default: they are relative to the working directory. */
  readonly path?: (relative: string) => string;
}

/** A plant in motion with its servers. */
export interface SimulatedPlant {
  readonly simulation: Simulation;
  /** What it takes its time from. */
  readonly clock: Clock;
  /** What goes wrong: `inject` and `clear` it. */
  readonly faults: Faults;
  /** The Modbus requests that arrived. */
  readonly requests: ModbusRequests;
  /** The server of the plant's machines; undefined where the config says so. */
  readonly opcua: OpcuaServer | undefined;
  /** The same over Modbus. */
  readonly modbus: ModbusServer | undefined;
  /** The ports of the fleet of raw Modbus units. */
  readonly modbusFleet: readonly ModbusServer[];
  /** Begins to move it: a step now and one in each period, and the script of faults. */
  start(): void;
  /** Stops it and closes its servers; resolves when all is released. */
  close(): Promise<void>;
}

/**
 * Builds a simulated plant and opens its servers; `start` moves it. The plugin does this, and tests may, without a gateway. `config` is what stands in a section of the config.
 * @throws {v.ValiError} when the config does not fit; {BusbarError} CONFIG for a plant that cannot be built, UNAVAILABLE for a port that cannot be opened.
 */
export async function openSimulatedPlant(config: v.InferInput<typeof configSchema>, surroundings: SimulatedPlantSurroundings = {}): Promise<SimulatedPlant> {
  return assemblePlant(v.parse(configSchema, config), surroundings);
}

/** The same for a config that is checked. */
export async function assemblePlant(config: SimConfig, surroundings: SimulatedPlantSurroundings): Promise<SimulatedPlant> {
  const { clock = systemClock, metrics = new MetricsRegistry(), path = (relative) => relative } = surroundings;
  const log = surroundings.log ?? createLog({ clock, level: "error", write: () => {} });
  const writes = surroundings.writes ?? plainGuard(config.allowWrites);
  const simulation = new Simulation(await loadPlant(config, path), { seed: config.seed, start: clock.now() });
  const faults = new Faults(clock);
  const closers: (() => void | Promise<void>)[] = [() => faults.close(), playValueFaults(faults, simulation)];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  const site: Site = { simulation, faults, requests: new ModbusRequests(metrics), clock, log, metrics, writes, path };
  try {
    const opcua = await serveOpcua(config, site);
    if (opcua) closers.push(() => opcua.close());
    const modbusServers: ModbusServer[] = [];
    for (const place of await modbusPlaces(config, site)) {
      const server = await serveModbus(config, { ...site, ...place });
      closers.push(() => server.close());
      modbusServers.push(server);
    }
    const machines = config.modbus.enabled ? modbusServers[0] : undefined;
    const start = (): void => {
      simulation.step(clock.now());
      closers.push(clock.every(config.period, () => simulation.step(clock.now())), playFaults(config.faults, { faults, clock }));
    };
    return { simulation, clock, faults, requests: site.requests, opcua, modbus: machines, modbusFleet: modbusServers.slice(machines ? 1 : 0), start, close };
  } catch (error) {
    await close();
    throw error;
  }
}

interface Site extends Required<SimulatedPlantSurroundings> {
  readonly simulation: Simulation;
  readonly faults: Faults;
  readonly requests: ModbusRequests;
}

async function serveOpcua(config: SimConfig, site: Site): Promise<OpcuaServer | undefined> {
  const { enabled, host, port, helloTimeout, hostname: advertised, pki, trustedClients, insecure: _checked, ...settings } = config.opcua;
  if (!enabled) return undefined;
  const history = settings.history > 0 ? new TagHistory(site.simulation, settings.history) : undefined;
  return openOpcuaServer({
    ...site,
    history,
    refused: refusedBy(site.metrics, "opcua"),
    host,
    port,
    helloTimeout,
    settings: {
      ...settings,
      hostname: advertised ?? (host === "0.0.0.0" || host === "::" ? hostname() : host),
      pki: site.path(pki),
      trustedClients: trustedClients.map((file) => site.path(file)),
      sampling: Math.max(100, config.period),
    },
  });
}

/** Where Modbus is served, and by whom. */
interface ModbusPlace {
  readonly port: number;
  readonly framing: ModbusFraming;
  readonly banks: ReadonlyMap<number, ModbusBank>;
}

async function modbusPlaces({ modbus }: SimConfig, { simulation, clock }: Site): Promise<readonly ModbusPlace[]> {
  const places: ModbusPlace[] = modbus.enabled ? [{ port: modbus.port, framing: modbusFramings[modbus.framing], banks: plantBanks(simulation) }] : [];
  if (!modbus.fleet) return places;
  const { fleet } = modbus;
  const { fleetBanks } = await import("./modbus-raw-bank.ts");
  return [...places, ...fleet.ports.map((port) => ({ port, framing: modbusFramings[fleet.framing], banks: fleetBanks(fleet, clock.now()) }))];
}

function serveModbus(config: SimConfig, at: Site & ModbusPlace): Promise<ModbusServer> {
  const { host, maxConnections, idleTimeout } = config.modbus;
  return openModbusServer({ ...at, refused: refusedBy(at.metrics, "modbus"), host, maxConnections, idleTimeout });
}

const refusedBy = (metrics: Metrics, protocol: string) => metrics.counter("busbar_opcua_sim_refused_total", "Connections and requests that the servers of the simulated plant refused", { protocol });

/** What stands before writes where there is no gateway to keep an audit log. */
function plainGuard(allowed: boolean): WriteGuard {
  return {
    allowed,
    permits: () => allowed,
    check({ target }) {
      if (!allowed) throw new BusbarError("FORBIDDEN", `Cannot write to ${JSON.stringify(target)}: allowWrites is false`);
    },
  };
}
