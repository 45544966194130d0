import type { Quality } from "@busbar/core";

/** The qualities from best to worst: their places are how they are stored, and "at least as good as" is a comparison of places. */
export const qualities: readonly Quality[] = ["good", "uncertain", "bad"];

/** The place of a quality. */
export function levelOf(quality: Quality): number {
  return quality === "good" ? 0 : quality === "bad" ? 2 : 1;
}
