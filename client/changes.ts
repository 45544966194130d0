import type { ClientClock } from "./clock.ts";
import type { Draft, Receipt } from "./envelope.ts";

/** A value of a tag. */
export type Reading = number | string | boolean;

/** What counts as a change. */
export interface ChangesOptions {
  /** How far a number must be from the one that was sent last; by tag, or for all. Default 0: any other number is a change. */
  readonly deadband?: number | Readonly<Record<string, number>>;
  /** Milliseconds after which everything is sent although nothing has changed. Default: never. */
  readonly heartbeat?: number;
  /** What every message carries besides: `from`, `to`, `qos`, `retain`. */
  readonly message?: Pick<Draft, "from" | "to" | "qos" | "retain">;
}

/** Reports of which only the changes are sent. */
export interface Changes {
  /**
   * Takes values by tag, at any rate. Those that differ from what was sent last go out as one message `{"<tag>": <value>, …}` (WIRE §1, readings).
   * Resolves when that is acknowledged; with undefined when nothing has changed.
   * @throws {ClientError} as `publish` does; what was not sent counts as changed the next time.
   */
  report(values: Readonly<Record<string, Reading>>): Promise<Receipt | undefined>;
  /** Ends the heartbeat. */
  close(): void;
}

/** Makes one on top of `publish`. */
export function createChanges(type: string, options: ChangesOptions & { readonly clock: ClientClock; readonly publish: (draft: Draft) => Promise<Receipt> }): Changes {
  const { deadband = 0, heartbeat, message = {}, clock, publish } = options;
  const sent = new Map<string, Reading>();
  const current = new Map<string, Reading>();
  let cancel: (() => void) | undefined;
  let open = true;

  const changed = (tag: string, value: Reading): boolean => {
    const last = sent.get(tag);
    if (last === undefined) return true;
    const band = typeof deadband === "number" ? deadband : (deadband[tag] ?? 0);
    if (typeof value === "number" && typeof last === "number" && band > 0) return !(Math.abs(value - last) < band);
    return !Object.is(value, last);
  };
  const send = async (values: readonly (readonly [string, Reading])[]): Promise<Receipt> => {
    const before = values.map(([tag, value]) => {
      const last = sent.get(tag);
      sent.set(tag, value);
      return [tag, value, last] as const;
    });
    try {
      return await publish({ ...message, type, payload: Object.fromEntries(values) });
    } catch (error) {
      for (const [tag, value, last] of before) {
        if (sent.get(tag) !== value) continue; // something newer went out meanwhile
        if (last === undefined) sent.delete(tag);
        else sent.set(tag, last);
      }
      throw error;
    }
  };
  const beat = (): void => {
    cancel?.();
    if (heartbeat === undefined || !open) return;
    cancel = clock.after(heartbeat, () => {
      beat();
      if (current.size > 0) send([...current]).catch(() => {}); // `dropped` has told of it
    });
  };

  return {
    report(values) {
      const fresh: [string, Reading][] = [];
      for (const [tag, value] of Object.entries(values)) {
        current.set(tag, value);
        if (changed(tag, value)) fresh.push([tag, value]);
      }
      if (cancel === undefined || fresh.length === current.size) beat();
      return fresh.length === 0 ? Promise.resolve(undefined) : send(fresh);
    },
    close() {
      open = false;
      cancel?.();
    },
  };
}
