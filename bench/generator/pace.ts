/** When each message is due, and whose it is. Times are milliseconds of `performance.now()`. */
export interface Pace {
  /** How many messages `publisher` should send at `now` that it has not sent yet. */
  due(publisher: number, now: number): number;
  /** Notes that `publisher` sent its next `count` messages at `now`. */
  sent(publisher: number, count: number, now: number): void;
  /** When the message `sequence` of `publisher` was due. */
  dueAt(publisher: number, sequence: number): number;
}

/** Whose sequence numbers begin where. */
export interface PaceOptions {
  readonly publishers: number;
  /** Sequence number of each publisher's first message. */
  readonly first: number;
}

/**
 * An open loop: message i is due at `start + i / rate` and belongs to publisher i mod n, whatever became of those before it.
 * @param ratePerSecond all publishers together
 */
export function createOpenLoop(ratePerSecond: number, options: PaceOptions & { readonly start: number }): Pace {
  const interval = 1000 / ratePerSecond;
  const sent = new Float64Array(options.publishers);
  return {
    due(publisher, now) {
      const total = Math.floor((now - options.start) / interval) + 1;
      const mine = Math.max(0, Math.ceil((total - publisher) / options.publishers));
      return Math.max(0, mine - (sent[publisher] ?? 0));
    },
    sent(publisher, count) {
      sent[publisher] = (sent[publisher] ?? 0) + count;
    },
    dueAt: (publisher, sequence) => options.start + ((sequence - options.first) * options.publishers + publisher) * interval,
  };
}

/**
 * A closed loop: a burst is due whenever there is room for it. Remembers when each burst was written; `first` and all bursts
 * are of `burst` messages, and no publisher has more than `window` messages on their way.
 */
export function createClosedLoop(room: (publisher: number) => number, options: PaceOptions & { readonly burst: number; readonly window: number }): Pace {
  const size = 2 ** Math.ceil(Math.log2(options.window / options.burst + 2));
  const times = Array.from({ length: options.publishers }, () => new Float64Array(size));
  const bursts = new Float64Array(options.publishers);
  return {
    due: (publisher) => (room(publisher) >= options.burst ? options.burst : 0),
    sent(publisher, _count, now) {
      const index = bursts[publisher] ?? 0;
      (times[publisher] ?? new Float64Array(0))[index % size] = now;
      bursts[publisher] = index + 1;
    },
    dueAt: (publisher, sequence) => times[publisher]?.[Math.floor((sequence - options.first) / options.burst) % size] ?? 0,
  };
}
