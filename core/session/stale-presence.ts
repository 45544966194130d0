import type { Clock } from "../clock.ts";
import type { PostOffice } from "../delivery/post-office.ts";
import type { Envelope } from "../envelope.ts";

/** What the presence of earlier runs is corrected with. */
export interface StalePresenceOptions {
  readonly office: PostOffice;
  readonly clock: Clock;
  /** Milliseconds since the Unix epoch: when this run began. What was said after that, by plugins while the bus was not open yet, is of this run. */
  readonly began: number;
  /** Milliseconds in which devices may come back. */
  readonly grace: number;
  /** Whether that device has a connection. */
  readonly isOnline: (id: string) => boolean;
  /** Says that a device is offline. `lastSeen`: milliseconds since the Unix epoch. */
  readonly offline: (id: string, lastSeen: number) => void;
}

const suffix = "/presence";

/**
 * A gateway that was killed could not say that its devices are gone: those whose retained presence of the former run is "online" and who do not come back in time are said to be
 * offline. What somebody has said since the start stands. Called when the bus is open; returns what ends it.
 */
export function correctStalePresence(options: StalePresenceOptions): () => void {
  const { office, clock, began, grace, isOnline, offline } = options;
  const stale: Envelope[] = [];
  office.retained("event/#", (message) => {
    if (message.received <= began && message.from.endsWith(suffix) && presenceIn(message)?.presence === "online") stale.push(message);
  });
  if (stale.length === 0) return () => {};
  return clock.after(grace, () => {
    for (const message of stale) {
      const id = message.from.slice(0, -suffix.length);
      if (isOnline(id)) continue;
      office.retained(message.topic, (now) => {
        if (now !== message) return;
        const { lastSeen } = presenceIn(message)!;
        offline(id, typeof lastSeen === "number" ? lastSeen : message.timestamp);
      });
    }
  });
}

function presenceIn({ payload }: Envelope): { readonly presence?: unknown; readonly lastSeen?: unknown } | undefined {
  return typeof payload === "object" && payload !== null && "presence" in payload ? payload : undefined;
}
