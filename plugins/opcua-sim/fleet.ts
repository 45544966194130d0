import type { FleetSpec, MachineSpec, TagSpec } from "./plant.ts";

const pad = (n: number): string => String(n + 1).padStart(3, "0");

/** The machines of a fleet: `sim-001` … (or another prefix) with tags `t001` …, one after another a wave, a walk, steps, spikes, a counter, a switch and a set point. */
export function machinesOfFleet(fleet: FleetSpec): readonly MachineSpec[] {
  return Array.from({ length: fleet.machines }, (_, machine) => ({
    id: `${fleet.prefix}-${pad(machine)}`,
    title: `Simulated machine ${machine + 1}`,
    every: fleet.every,
    methods: [],
    arrays: [],
    structures: [],
    tags: Array.from({ length: fleet.tags }, (_, tag) => tagOf(tag)),
  }));
}

function tagOf(at: number): TagSpec {
  const name = `t${pad(at)}`;
  const number = { name, unit: "", kind: "float" as const, range: [0, 100] as [number, number] };
  switch (at % 10) {
    case 6:
      return { ...number, signal: { kind: "step", levels: [10, 40, 70, 95], every: 2_000, shuffled: true } };
    case 7:
      return { ...number, signal: { kind: "spike", every: 20_000, width: 1_000, noise: 0.05 }, unit: "bar" };
    case 8:
      return at % 20 === 8
        ? { name, unit: "", kind: "int", range: [0, 1_000_000], signal: { kind: "counter", rate: 10 } }
        : { name, unit: "", kind: "bool", range: [0, 1], signal: { kind: "step", levels: [false, true], every: 3_000, shuffled: true } };
    case 9:
      return { ...number, unit: "%", signal: { kind: "setpoint", value: 50 } };
    default:
      return at % 2 === 0
        ? { ...number, unit: "°C", signal: { kind: "sine", period: 30_000 + 1_000 * at, phase: (at % 10) / 10, noise: 0.01 } }
        : { ...number, unit: "kPa", signal: { kind: "random-walk", period: 60_000 } };
  }
}
