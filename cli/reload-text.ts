import type { ReloadReport } from "@busbar/core";

/** What a reload did, on one line. */
export function formatReload({ added, removed, restarted, refreshed, routes, settings }: ReloadReport): string {
  const listed = (what: string, ids: readonly string[]): readonly string[] => (ids.length === 0 ? [] : [`${what} ${ids.join(", ")}`]);
  const parts = [
    ...listed("added", added),
    ...listed("removed", removed),
    ...listed("restarted", restarted),
    ...refreshed,
    ...(routes ? ["routes changed"] : []),
    ...(settings ? ["gateway settings take effect at the next start"] : []),
  ];
  return parts.length === 0 ? "nothing changed" : parts.join("; ");
}
