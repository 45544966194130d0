import type { AuditTrail } from "../audit.ts";
import type { Authority, Principal } from "../authority.ts";
import type { Clock } from "../clock.ts";
import type { CommandAnswer, CommandTracker } from "../delivery/command-tracker.ts";
import type { PostOffice } from "../delivery/post-office.ts";
import type { Envelope } from "../envelope.ts";
import type { Log } from "../log.ts";
import type { PeerSession } from "./peer-session.ts";

/** What every session of a gateway shares. */
export interface SessionServices {
  readonly office: PostOffice;
  readonly authority: () => Authority;
  readonly clock: Clock;
  readonly log: Log;
  readonly commands: CommandTracker;
  /** A frame or a peer was refused: counted by reason. */
  refused(reason: string): void;
  readonly audit: AuditTrail;
  /** A delivery was dropped: counted by reason. */
  dropped(reason: string): void;
  /** A peer has shown who it is; a device's older session is ended. */
  attached(session: PeerSession, principal: Principal): void;
  detached(session: PeerSession, principal: Principal): void;
  /** The session takes and sends nothing any more. */
  closed(session: PeerSession): void;
  /** A device answers a command. */
  answer(command: Envelope, principal: Principal, answer: CommandAnswer): void;
}
