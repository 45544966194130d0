/** The width of buckets of time. */
export interface Bucket {
  readonly count: number;
  readonly unit: keyof typeof widths;
  /** As it is written, such as `15m`. */
  readonly text: string;
}

/** Which buckets are wanted. */
export interface BucketRange {
  readonly since: number;
  readonly until: number;
  /** An IANA name or an offset; undefined = UTC. */
  readonly timezone: string | undefined;
  /** Buckets at most. */
  readonly limit: number;
}

/** Their lengths in ms; of days and what is longer about that, as a day may have 23 or 25 hours. */
const widths = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000, mo: 30 * 86_400_000, y: 365 * 86_400_000 } as const;
const day = widths.d;
const suitable = ["1ms", "2ms", "5ms", "10ms", "20ms", "50ms", "100ms", "200ms", "500ms", "1s", "2s", "5s", "10s", "15s", "30s", "1m", "2m", "5m", "10m", "15m", "30m", "1h", "2h", "3h", "6h", "12h", "1d", "1w", "1mo", "3mo", "1y"];
/** The last moment that a JavaScript Date knows (ECMA-262 §21.4.1.1). */
const end = 8_640_000_000_000_000;

/** Reads a width such as `15m`, of at most 100,000 of a unit; undefined for what is none. */
export function parseBucket(text: string): Bucket | undefined {
  const [, number, unit] = /^(\d{1,6})(ms|s|m|h|d|w|mo|y)$/.exec(text) ?? [];
  const count = Number(number);
  return count >= 1 && count <= 100_000 ? { count, unit: unit as Bucket["unit"], text } : undefined;
}

/** The smallest round width that is at least so many ms long. */
export function suitableBucket(atLeast: number): Bucket {
  const all = suitable.map((text) => parseBucket(text)!);
  return all.find(({ count, unit }) => count * widths[unit] >= atLeast) ?? all.at(-1)!;
}

/** Whether it is the name of a time zone, or an offset such as `+05:30`. */
export function checkTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/**
 * The edges of the whole buckets that hold `[since, until)`, in order, and the first moment after them where these are too many. Up to hours buckets are equally long, counted from midnight
 * in the zone; days, weeks (from Monday), months and years begin at midnight there, however long they are.
 */
export function bucketEdges(bucket: Bucket, { since, until, timezone, limit }: BucketRange): { readonly edges: readonly number[]; readonly next: number | undefined } {
  if (since >= until) return { edges: [], next: undefined };
  const at = edgeFinder(bucket, since, timezone === undefined ? () => 0 : offsetIn(timezone));
  const edges: number[] = [];
  for (let place = 0; edges.length <= limit; place++) {
    const found = at(place);
    const edge = found <= end ? Math.max(0, found) : end; // beyond the last date it is no number
    if (edges.length > 0 && edge <= edges.at(-1)!) continue; // midnight does not come twice, whatever the clocks do
    edges.push(edge);
    if (edge >= until || edge === end) return { edges, next: undefined };
  }
  return { edges, next: edges.at(-1)! };
}

/** Makes the function that tells the edges, from the one at or before `since` on. */
function edgeFinder({ count, unit }: Bucket, since: number, offset: (time: number) => number): (place: number) => number {
  const local = since + offset(since);
  const instant = (midnight: number): number => midnight - offset(midnight - offset(midnight));
  if (unit === "mo" || unit === "y") {
    const months = unit === "y" ? count * 12 : count;
    const date = new Date(local);
    const first = Math.floor((date.getUTCFullYear() * 12 + date.getUTCMonth()) / months) * months;
    return (place) => {
      const month = first + place * months;
      return instant(new Date(0).setUTCFullYear(Math.floor(month / 12), month % 12, 1));
    };
  }
  if (unit === "d" || unit === "w") {
    const width = count * widths[unit];
    const anchor = unit === "w" ? 4 * day : 0; // 1970-01-05 was a Monday
    const first = Math.floor((local - anchor) / width) * width + anchor;
    return (place) => instant(first + place * width);
  }
  const width = count * widths[unit];
  const first = Math.floor(local / width) * width - offset(since);
  return (place) => first + place * width;
}

/** Makes the function that tells how far a zone's clocks are ahead of UTC at a time, in ms. */
function offsetIn(timezone: string): (time: number) => number {
  const format = new Intl.DateTimeFormat("en-US", { timeZone: timezone, hourCycle: "h23", era: "short", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" });
  return (wanted) => {
    const time = wanted <= end - day ? Math.max(0, wanted) : end - day; // its local time must be a date too
    const parts = Object.fromEntries(format.formatToParts(time).map(({ type, value }) => [type, Number(value)])) as Record<string, number>;
    const local = Date.UTC(parts["year"]!, parts["month"]! - 1, parts["day"]!, parts["hour"]!, parts["minute"]!, parts["second"]!);
    return local - Math.floor(time / 1000) * 1000;
  };
}
