import type { AuditTrail } from "../audit/audit-trail.ts";
import type { Clock } from "../clock.ts";
import type { CommandAnswer } from "../commands.ts";
import { keepOpenCommands } from "../delivery/command-cursor.ts";
import type { CommandTracker } from "../delivery/command-tracker.ts";
import { gatewayId } from "../topic.ts";
import type { PostOffice } from "../delivery/post-office.ts";
import { createMessage, type Envelope } from "../envelope.ts";
import type { Journal } from "../journal.ts";
import type { Log } from "../log.ts";
import type { SessionRegistry } from "../session/session-registry.ts";

/** What follows commands, and what is told about them. */
export interface FollowCommandsOptions {
  readonly commands: CommandTracker;
  readonly office: PostOffice;
  readonly sessions: SessionRegistry;
  readonly audit: AuditTrail;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Brings the tracker of commands up to date with the journal and keeps it so: each command that passes goes on to the sessions and into the audit log, each answer ends one, and
 * what nobody answers expires. Called before the bus opens; returns what ends it.
 */
export async function followCommands({ commands, office, sessions, audit, journal, clock, log }: FollowCommandsOptions): Promise<() => void> {
  await commands.rebuild(journal);
  office.subscribe("command/#", (message, offset) => {
    if (!commands.see(message, offset)) return; // its device has had it
    audit.command(message);
    sessions.command(message, offset);
  });
  office.subscribe("ack/#", (message, offset) => {
    commands.see(message, offset);
    const { from, to, payload } = message;
    if (typeof payload === "object" && payload !== null && "msgid" in payload && "status" in payload) audit.write("command-result", { msgid: payload.msgid, status: payload.status, from: to, device: from });
  });
  const stops = [clock.every(1000, () => commands.expire()), keepOpenCommands({ commands, journal, clock, log })];
  return () => {
    for (const stop of stops) stop();
  };
}

/** Tells whoever gave a command how it ended, when its device has not ended it. */
export function tellSender(command: Envelope, answer: CommandAnswer, { office, log }: { readonly office: PostOffice; readonly log: Log }): void {
  const message = createMessage({ type: "ack", from: gatewayId, to: command.from, payload: answer, qos: 1 });
  office.complete(message, gatewayId);
  office.deliver(message, (error) => error !== undefined && log.warn("it could not be told how a command ended", { to: command.from, msgid: command.msgid, error }));
}
