/**
 * Whether some topic matches both filters (MQTT 5.0 §4.7), as `status/+/lamp` and `status/home-7/#` do. Used to refuse a subscription of which
 * a part is denied: a filter cannot be granted in part.
 */
export function overlaps(one: string, other: string): boolean {
  const left = one.split("/");
  const right = other.split("/");
  for (let at = 0; ; at++) {
    const a = left[at];
    const b = right[at];
    if (a === "#" || b === "#") return true; // `a/#` matches `a` too, so it does not matter whether the other one goes on
    if (a === undefined || b === undefined) return a === b;
    if (a !== b && a !== "+" && b !== "+") return false;
  }
}
