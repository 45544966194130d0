import { createClock, type Clock } from "../clock.ts";

/** The clock of a plugin instance: its timers end with the instance, and a callback that throws makes it `fail`. */
export function createInstanceClock(clock: Clock, { defer, fail }: { readonly defer: (cleanup: () => void) => void; readonly fail: (error: unknown) => void }): Clock {
  const pending = new Set<() => void>();
  let open = true;
  defer(() => {
    open = false;
    for (const cancel of pending) cancel();
  });
  return createClock(clock.now, (ms, callback) => {
    if (!open) return () => {}; // set by what went on after the instance had ended
    const cancel = clock.after(ms, () => {
      pending.delete(cancel);
      try {
        callback();
      } catch (error) {
        fail(error);
      }
    });
    pending.add(cancel);
    return () => {
      pending.delete(cancel);
      cancel();
    };
  });
}
