import type { AuditTrail } from "../audit/audit-trail.ts";
import type { Authority, Principal } from "../authority.ts";
import type { Clock } from "../clock.ts";
import type { CommandTracker } from "../delivery/command-tracker.ts";
import type { PostOffice } from "../delivery/post-office.ts";
import type { TrackedCommand } from "../delivery/tracked-command.ts";
import type { Log } from "../log.ts";
import type { CommandAnswers } from "./command-answers.ts";
import type { PeerDeliveries } from "./peer-deliveries.ts";
import type { SignedMessages } from "./signed/signed-messages.ts";
import type { Wills } from "./wills.ts";
import type { PeerSession } from "./peer-session.ts";

/** What every session of a gateway shares. */
export interface SessionServices {
  readonly office: PostOffice;
  readonly authority: () => Authority;
  readonly clock: Clock;
  readonly log: Log;
  readonly commands: CommandTracker;
  readonly answers: CommandAnswers;
  /** A frame or a peer was refused: counted by reason. With a session it is also put into the audit log. */
  refused(reason: string, session?: PeerSession): void;
  readonly audit: AuditTrail;
  readonly deliveries: PeerDeliveries;
  readonly wills: Wills;
  readonly signed: SignedMessages;
  /** A peer has shown who it is; a device's older session is ended. */
  attached(session: PeerSession, principal: Principal): void;
  /** A peer has logged in under a name of its own for the connection: an older one of the same principal and name is ended. */
  named(session: PeerSession, client: string): void;
  /** Returns whether it was the session of that device. */
  detached(session: PeerSession, principal: Principal): boolean;
  /** The same peer is in other groups now. */
  regrouped(session: PeerSession, before: Principal, now: Principal): void;
  /** The session takes and sends nothing any more. */
  closed(session: PeerSession): void;
  /** A command goes to a device; for good where that knows no answers. It is noted in the journal: `done` hears when, or why not. */
  handed(command: TrackedCommand, device: string, final: boolean, done?: (error: unknown) => void): void;
}
