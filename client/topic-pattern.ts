/** Whether `topic` matches the filter `pattern` (MQTT 5.0 §4.7): `+` is one level, `#` the rest; `a/#` matches `a` too. */
export function matches(pattern: string, topic: string): boolean {
  return covers(pattern, topic);
}

/** Whether every topic that matches `narrow` matches `wide` too. */
export function covers(wide: string, narrow: string): boolean {
  const [one, other] = [wide.split("/"), narrow.split("/")];
  for (let at = 0; ; at++) {
    if (one[at] === "#") return true;
    if (at === one.length || at === other.length) return one.length === other.length;
    if (other[at] === "#" || (one[at] !== "+" && one[at] !== other[at])) return false;
  }
}

/** Whether some topic matches both. */
export function overlaps(left: string, right: string): boolean {
  const [one, other] = [left.split("/"), right.split("/")];
  for (let at = 0; ; at++) {
    if (one[at] === "#" || other[at] === "#") return true;
    if (at === one.length || at === other.length) return one.length === other.length;
    if (one[at] !== "+" && other[at] !== "+" && one[at] !== other[at]) return false;
  }
}
