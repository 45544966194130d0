import type { Clock } from "@busbar/core";
import type { Fault, ScriptedFault } from "./fault.ts";
import type { Faults } from "./faults.ts";

/** Plays the script: lets each fault begin `at` its time and again `every` so often. Returns what ends the script; faults that it began go on. */
export function playFaults(script: readonly ScriptedFault[], options: { readonly faults: Faults; readonly clock: Clock }): () => void {
  const { faults, clock } = options;
  const ends = script.map(({ at, every, ...fault }) => {
    const begin = (): void => void faults.begin(fault as Fault); // what is left of a scripted fault is a fault
    let end = clock.after(at, () => {
      if (every !== undefined) end = clock.every(every, begin);
      begin();
    });
    return () => end();
  });
  return () => {
    for (const end of ends) end();
  };
}
