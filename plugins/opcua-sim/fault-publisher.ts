import { tellFault } from "./bench-command.ts";
import type { ActiveFault } from "./faults.ts";
import { deliverEvent, type PlantPublisherOptions } from "./plant-publisher.ts";

/** What tells of faults. */
export interface FaultPublisherOptions extends PlantPublisherOptions {
  /** Whose event the fault of a machine is; asked with an id that no machine has where it is of none in particular. */
  speakerOf(machine: string): string;
}

/** Says on the bus when a fault begins and ends: an `event` of the machine that has it, or of the instance. Returns what ends it. */
export function publishFaults(options: FaultPublisherOptions): () => void {
  const { plant } = options;
  const tell = (active: ActiveFault, state: "began" | "ended"): void => {
    const { machine = "" } = active.fault as { readonly machine?: string };
    deliverEvent(options, { from: options.speakerOf(machine), timestamp: plant.clock.now(), payload: { event: "fault", state, ...tellFault(active) } });
  };
  return plant.faults.listen({ began: (active) => tell(active, "began"), ended: (active) => tell(active, "ended") });
}
