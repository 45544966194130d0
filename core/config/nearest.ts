/** The candidate that `text` was probably meant to be: at most a third of its letters differ (Damerau-Levenshtein, ignoring case), or it is a beginning of it. Undefined when there is none. */
export function nearest(text: string, candidates: Iterable<string>): string | undefined {
  const wanted = text.slice(0, 64).toLowerCase();
  let best: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const other = candidate.slice(0, 64).toLowerCase();
    const prefix = wanted.length >= 3 && other.startsWith(wanted);
    const cost = prefix ? 1 : distance(wanted, other);
    if (cost < least && (prefix || cost <= Math.max(1, Math.floor(Math.max(wanted.length, other.length) / 3)))) {
      least = cost;
      best = candidate;
    }
  }
  return best;
}

/** Single-letter insertions, deletions, replacements and swaps of neighbours that turn one text into the other. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(previous[j]! + 1, row[j - 1]! + 1, previous[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, before[j - 2]! + 1);
      row.push(cost);
    }
    [before, previous] = [previous, row];
  }
  return previous[b.length]!;
}

/** The end of a message about something unknown: `did you mean "port"? allowed: port, host`. `what` stands before the list. */
export function suggest(text: string | undefined, candidates: readonly string[], what = "allowed"): string {
  const near = text === undefined ? undefined : nearest(text, candidates);
  const shown = candidates.slice(0, 40).join(", ") + (candidates.length > 40 ? `, and ${candidates.length - 40} more` : "");
  const list = `${what}: ${candidates.length === 0 ? "none" : shown}`;
  return near === undefined ? list : `did you mean ${JSON.stringify(near)}? ${list}`;
}
