import type { FuzzTarget } from "./engine/fuzz-target.ts";
import { clientTargets } from "./targets/client.ts";
import { codecTargets } from "./targets/codecs.ts";
import { diskTargets } from "./targets/disk.ts";
import { framingTargets } from "./targets/framings.ts";
import { httpTargets } from "./targets/http.ts";
import { keyTargets } from "./targets/keys.ts";
import { pluginTargets } from "./targets/plugins.ts";
import { textTargets } from "./targets/texts.ts";

/** Every parser that meets outside bytes. README.md says where each stands. */
export const targets: readonly FuzzTarget[] = [...codecTargets, ...framingTargets, ...textTargets, ...pluginTargets, ...keyTargets, ...httpTargets, ...clientTargets, ...diskTargets];

/** @throws {RangeError} when there is none of that name. */
export function findTarget(name: string): FuzzTarget {
  const found = targets.find((target) => target.name === name);
  if (!found) throw new RangeError(`Cannot fuzz ${JSON.stringify(name)}: there is ${targets.map((target) => target.name).join(", ")}`);
  return found;
}
