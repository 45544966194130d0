import type { Clock } from "../clock.ts";
import type { PostOffice } from "../delivery/post-office.ts";
import type { Log } from "../log.ts";
import { AuditLogPort, JournalPort } from "../ports.ts";
import type { Instance } from "./instance.ts";
import { providedPorts } from "./order.ts";

/** What is shut down, and in which time. */
export interface ShutDownOptions {
  readonly office: PostOffice;
  readonly clock: Clock;
  readonly log: Log;
  /** Resolves when the sessions, which are ended already, have said all that they have to say. */
  readonly sessions: Promise<void>;
  /** Milliseconds all of it may take. */
  readonly timeout: number;
}

/**
 * Stops the instances of a gateway in reverse order of their start, then flushes the journal, then stops the plugin that provides it, and last the one that keeps the audit log. A quarter of the time is the journal's, whatever hangs: then
 * it no longer waits for the others, which go on stopping beside it. Resolves within the time; what is left is named in the log.
 */
export async function shutDown(instances: readonly Instance[], options: ShutDownOptions): Promise<void> {
  const { office, clock, log, sessions, timeout } = options;
  const last = instances.toReversed();
  const isJournal = (one: Instance): boolean => providedPorts(one.spec.plugin).includes(JournalPort.name);
  const isAudit = (one: Instance): boolean => providedPorts(one.spec.plugin).includes(AuditLogPort.name); // it has the last word
  const left = (): string[] => instances.filter((one) => one.status.state !== "stopped").map((one) => one.id);
  const all = async (): Promise<void> => {
    const others = stopEach(last.filter((one) => !isJournal(one) && !isAudit(one)));
    await within(clock, (timeout * 3) / 4, { work: Promise.all([sessions, others]), late: () => log.error("stopping takes long, the journal is closed meanwhile", { left: left() }) });
    await office.close(timeout / 8);
    await stopEach(last.filter(isJournal));
    await stopEach(last.filter(isAudit));
    await others;
  };
  await within(clock, timeout, { work: all(), late: () => log.error("stopping took too long, giving up on what is left", { left: left() }) });
}

async function stopEach(instances: readonly Instance[]): Promise<void> {
  for (const instance of instances) await instance.stop();
}

/** Waits for some work, but no longer than `ms`; then `late` is called. */
async function within(clock: Clock, ms: number, { work, late }: { readonly work: Promise<unknown>; readonly late: () => void }): Promise<void> {
  let cancel = (): void => {};
  const limit = new Promise<void>((resolve) => {
    cancel = clock.after(ms, () => {
      late();
      resolve();
    });
  });
  await Promise.race([work, limit]).finally(cancel);
}
