import type { Bus, Clock, Sessions } from "@busbar/core";

/** Who is there: what connections, presence events and reports say together. */
export interface Presence {
  /** `lastReport`: milliseconds since the Unix epoch. */
  isOnline(id: string, lastReport: number): boolean;
  /** Ends it. */
  close(): void;
}

const suffix = "/presence";

/**
 * Follows the events `event/<id>/presence` (payload `{presence: "online"|"offline"}`) that the gateway sends for connected devices and a plugin for those behind it.
 * A device is online while it, or the gateway that speaks for it, has a connection; or while its last presence event of this run says so; or, when
 * there is none, for `window` ms after its last report: what is polled has no connection of its own.
 */
export function createPresence(parts: { readonly bus: Bus; readonly sessions: Sessions; readonly clock: Clock; readonly window: number }): Presence {
  const { bus, sessions, clock, window } = parts;
  const told = new Map<string, boolean>();
  // Not the retained events of earlier runs: who was connected then may not be now.
  const subscription = bus.subscribe("event/#", ({ from, payload }) => {
    if (!from.endsWith(suffix) || typeof payload !== "object" || payload === null || !("presence" in payload)) return;
    told.set(from.slice(0, -suffix.length), payload.presence === "online");
  });
  return {
    isOnline(id, lastReport) {
      for (let end = id.length; end > 0; end = id.lastIndexOf("/", end - 1)) if (sessions.get(id.slice(0, end))) return true;
      return told.get(id) ?? clock.now() - lastReport <= window;
    },
    close: () => subscription.close(),
  };
}
