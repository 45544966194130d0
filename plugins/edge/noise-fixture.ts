import { createRandom } from "@busbar/core/testkit";

/** Normal noise of mean 0 and standard deviation 1, the same for the same seed (Box-Muller). */
export function createNoise(seed: number): () => number {
  const random = createRandom(seed);
  return () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
