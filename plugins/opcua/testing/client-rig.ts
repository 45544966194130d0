import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Envelope } from "@busbar/core";
import { testPlugin, until, type TestGateway } from "@busbar/core/testkit";
import { DataType, type Namespace, standardUnits, type StatusCode, StatusCodes, Variant } from "node-opcua";
import opcua from "../mod.ts";
import { plantNamespace, type OpcuaFixture } from "./opcua-fixture.ts";

/** A value as it came over the bus, with the time that counts. */
export interface SeenReading {
  readonly device: string;
  readonly tag: string;
  readonly value: unknown;
  readonly unit?: string;
  readonly quality: string;
  readonly code?: string;
  readonly timestamp: number;
  readonly late: boolean;
}

/** A gateway with the plugin under test, and all that it has said. */
export interface ClientRig extends AsyncDisposable {
  readonly gateway: TestGateway;
  readonly messages: readonly Envelope[];
  /** Every reading so far, or those of one tag. */
  readings(tag?: string): readonly SeenReading[];
  /** Payloads of the instance's own events of that kind. */
  events(kind: string): readonly Record<string, unknown>[];
  /** Waits for the n-th event of that kind, counted from 1. */
  event(kind: string, count?: number): Promise<Record<string, unknown>>;
}

/** Quick enough for a test; without security, as keys take long. */
export const quickConfig = { security: { policy: "None" }, sampling: 20, subscription: { publish: 40, keepAlive: 400, lifetime: 30_000 }, reconnect: { min: 20, max: 100 }, keepAlive: 200, timeout: 2_000 };

/** A folder for what the gateways of a test keep. Removed when the process ends, whatever becomes of the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "busbar-opcua-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Starts a gateway around the plugin. */
export async function openRig(config: Record<string, unknown>, cwd: string): Promise<ClientRig> {
  const messages: Envelope[] = [];
  const gateway = await testPlugin(opcua, { ...quickConfig, ...config }, { cwd });
  gateway.bus.subscribe("+/#", (message) => void messages.push(message));
  const readings = (tag?: string): readonly SeenReading[] => messages.filter(({ type }) => type === "status").flatMap(readingsOf).filter((one) => tag === undefined || one.tag === tag);
  const events = (kind: string): readonly Record<string, unknown>[] =>
    messages.filter(({ topic }) => topic === "event/subject").map(({ payload }) => payload as Record<string, unknown>).filter(({ event }) => event === kind);
  return {
    gateway, messages, readings, events,
    event: async (kind, count = 1) => {
      await until(`event ${kind} ${count}`, () => events(kind).length >= count, { show: () => ({ events: messages.filter(({ type }) => type === "event").map(({ payload }) => payload), log: gateway.log.filter(({ level }) => level !== "debug") }) });
      return events(kind)[count - 1]!;
    },
    [Symbol.asyncDispose]: () => gateway.stop(),
  };
}

function readingsOf({ from, payload, timestamp }: Envelope): SeenReading[] {
  const { values, late = false } = payload as { readonly values: readonly Omit<SeenReading, "device" | "late">[]; readonly late?: boolean };
  return values.map((reading) => ({ device: from, late, ...reading, timestamp: reading.timestamp ?? timestamp }));
}

/** Settings of a server that samples as fast as it can where it is asked to, and leaves out nothing. */
export const fastServer = { serverCapabilities: { minSupportedSampleRate: 0 } };

/** Cuts every connection to a server, which goes on. */
export function cutConnections({ server }: OpcuaFixture): void {
  for (const endpoint of server.endpoints) endpoint.abruptlyInterruptChannels();
}

/** Adds a variable whose every change is seen, as the server does not sample it: `/Objects/Plant/press-1/<name>`, °C, EURange 0-120, with a history. Returns what sets it. */
export function addFastVariable({ server, press }: OpcuaFixture, name: string): (value: number, at?: Date, status?: StatusCode) => void {
  const space = server.engine.addressSpace!;
  const levels = "CurrentRead | CurrentWrite | HistoryRead";
  const variable = (space.getNamespace(plantNamespace) as Namespace).addAnalogDataItem({
    componentOf: press.object, browseName: name, nodeId: `s=press-1.${name}`, dataType: "Double", accessLevel: levels, userAccessLevel: levels, minimumSamplingInterval: 0,
    engineeringUnitsRange: { low: 0, high: 120 }, engineeringUnits: standardUnits.degree_celsius, value: new Variant({ dataType: DataType.Double, value: 0 }),
  });
  space.installHistoricalDataNode(variable);
  return (value, at = new Date(), status = StatusCodes.Good) => variable.setValueFromSource({ dataType: DataType.Double, value }, status, at);
}
