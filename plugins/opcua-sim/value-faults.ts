import type { Fault } from "./fault.ts";
import type { Faults } from "./faults.ts";
import type { Simulation } from "./simulation.ts";

type ValueFault = Extract<Fault, { kind: "bad-quality" | "stuck" | "clock-jump" }>;

const isValueFault = (fault: Fault): fault is ValueFault => fault.kind === "bad-quality" || fault.kind === "stuck" || fault.kind === "clock-jump";

/** Plays the faults of values: quality, a stuck value, the source's time. Of several on one tag the last quality counts, and jumps add up. Returns what ends it. */
export function playValueFaults(faults: Faults, simulation: Simulation): () => void {
  const apply = (changed: Fault): void => {
    if (!isValueFault(changed)) return;
    const active = faults.active.map(({ fault }) => fault).filter(isValueFault);
    for (const machine of simulation.plant.machines) {
      if (changed.machine !== undefined && changed.machine !== machine.id) continue;
      const here = active.filter((fault) => fault.machine === undefined || fault.machine === machine.id);
      for (const tag of machine.tags) {
        if (changed.tag !== undefined && changed.tag !== tag.name) continue;
        let code = "Good";
        let stuck = false;
        let shift = 0;
        for (const fault of here) {
          if (fault.tag !== undefined && fault.tag !== tag.name) continue;
          if (fault.kind === "bad-quality") code = fault.code;
          else if (fault.kind === "stuck") stuck = true;
          else shift += fault.by;
        }
        simulation.impair(tag, { code, stuck, shift });
      }
    }
    simulation.announce();
  };
  return faults.listen({ began: ({ fault }) => apply(fault), ended: ({ fault }) => apply(fault) });
}
