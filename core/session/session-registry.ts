import type { AuditTrail } from "../audit/audit-trail.ts";
import type { Authority, Principal } from "../authority.ts";
import type { Clock } from "../clock.ts";
import type { CommandTracker } from "../delivery/command-tracker.ts";
import { HandoverNotes } from "../delivery/handover-notes.ts";
import type { PostOffice } from "../delivery/post-office.ts";
import { createMessage, type Envelope } from "../envelope.ts";
import { Door, type DoorOptions } from "../listener/door.ts";
import type { Log } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { CommandAnswers } from "./command-answers.ts";
import { NamedConnections } from "./named-connections.ts";
import { PeerDeliveries } from "./peer-deliveries.ts";
import { PeerSession } from "./peer-session.ts";
import type { SessionServices } from "./session-services.ts";
import { correctStalePresence } from "./stale-presence.ts";
import type { Session, SessionOptions, Sessions, SessionStatus } from "./sessions.ts";
import { CloseCode, type Transport } from "./transport.ts";
import type { SignedMessages } from "./signed/signed-messages.ts";
import { Wills } from "./wills.ts";

/** What the registry works with. */
export interface SessionRegistryOptions {
  readonly office: PostOffice;
  readonly authority: () => Authority;
  readonly commands: CommandTracker;
  readonly audit: AuditTrail;
  readonly signed: SignedMessages;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Milliseconds after the start in which a device that was online before may come back. */
  readonly presenceGrace: number;
  /** The limits of connections. */
  readonly settings: DoorOptions["settings"];
}

/** All sessions of a gateway: opens them, keeps one per device, tells the bus who is there. */
export class SessionRegistry implements Sessions {
  readonly door: Door;
  readonly #options: SessionRegistryOptions;
  /** Milliseconds since the Unix epoch. */
  readonly #began: number;
  readonly #services: SessionServices;
  readonly #notes: HandoverNotes;
  readonly #wills: Wills;
  readonly #sessions = new Set<PeerSession>();
  readonly #devices = new Map<string, PeerSession>();
  /** Connected devices by group and id. */
  readonly #groups = new Map<string, Map<string, PeerSession>>();
  readonly #named = new NamedConnections();
  readonly #stops: (() => void)[] = [];
  #unwatch: (() => void) | undefined;
  #count = 0;

  constructor(options: SessionRegistryOptions) {
    this.#options = options;
    this.#began = options.clock.now();
    this.door = new Door(options);
    const { metrics, office } = options;
    this.#notes = new HandoverNotes(office);
    this.#wills = new Wills({ office, clock: options.clock, log: options.log, grace: options.presenceGrace, stands: (id) => options.authority().stands({ id, roles: [], groups: [] }) });
    this.#services = {
      office, authority: options.authority, clock: options.clock, log: options.log, commands: options.commands, answers: new CommandAnswers(options), audit: options.audit, signed: options.signed,
      refused: (reason, session) => {
        metrics.counter("busbar_refused_total", "Frames and peers refused, by reason", { reason }).value++;
        if (session) auditRefusal(options.audit, reason, session);
      },
      deliveries: new PeerDeliveries(metrics),
      wills: this.#wills,
      attached: (session, principal) => this.#attached(session, principal),
      detached: (session, principal) => this.#detached(session, principal),
      regrouped: (session, before, now) => {
        if (before.user) return;
        this.#leaveGroups(session, before);
        this.#joinGroups(session, now);
      },
      closed: (session) => {
        this.#sessions.delete(session);
        this.#named.remove(session);
      },
      named: (session, client) => this.#named.add(session, client),
      handed: (command, device, final, done) => {
        command.hand(device, final);
        const { from, msgid } = command.message;
        this.#notes.add({ from, msgid, device, ...(final && { final }) }, (error) => {
          if (error !== undefined) options.log.error("it is not noted that a command was sent", { device, error });
          done?.(error);
        });
      },
    };
    metrics.gauge("busbar_sessions", "Connections with a session", () => this.#sessions.size);
    metrics.gauge("busbar_devices_online", "Devices that are connected", () => this.#devices.size);
  }

  /** Watches rights, expiry and unacknowledged deliveries from now on, and waits for the devices of the former run. The bus is open. */
  start(): void {
    const { office, clock, presenceGrace } = this.#options;
    this.#stops.push(clock.every(1000, () => this.#check(false)), () => this.#unwatch?.());
    this.#stops.push(correctStalePresence({ office, clock, began: this.#began, grace: presenceGrace, isOnline: (id) => this.#devices.has(id), offline: (id, lastSeen) => this.#presence(id, "offline", lastSeen) }));
    this.#wills.open((id) => this.list().some(({ principal }) => principal === id));
    this.#watch();
  }

  /** Another authority has taken over: what the former one granted counts for nothing any more. */
  authorityChanged(): void {
    if (this.#stops.length === 0) return; // not started yet, or stopped
    this.#watch();
    this.#check(true, true);
  }

  #watch(): void {
    this.#unwatch?.();
    this.#unwatch = this.#options.authority().onChange(() => this.#check(true));
  }

  /** Ends every session with 1001. Resolves when the last wills are in the journal. */
  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0)) stop();
    for (const session of [...this.#sessions]) session.close(CloseCode.shuttingDown, "shutting down");
    await this.#wills.close();
  }

  get size(): number {
    return this.#sessions.size;
  }

  open(transport: Transport, options: SessionOptions): Session {
    const session = new PeerSession(`s${++this.#count}`, transport, options, this.#services);
    this.#sessions.add(session);
    return session;
  }

  list(): readonly SessionStatus[] {
    const devices = [...this.#devices].map(([id, session]) => statusOf(session, id));
    const users = [...this.#sessions].filter((session) => session.principal?.user).map((session) => statusOf(session, session.principal!.id));
    return [...devices, ...users];
  }

  get(id: string): SessionStatus | undefined {
    const session = this.#devices.get(id);
    return session && statusOf(session, id);
  }

  /** A command that passes on the bus: it goes to the device it is for or whose id lies above, to each device of the group, or to all (WIRE §1). */
  command(message: Envelope, offset: number | undefined): void {
    const { to } = message;
    if (to === "all") {
      for (const [id, session] of this.#devices) session.command(id, message, offset);
    } else if (to.startsWith("group/")) {
      for (const [id, session] of this.#groups.get(to.slice(6)) ?? []) session.command(id, message, offset);
    } else {
      for (let id = to; id !== ""; id = id.slice(0, Math.max(0, id.lastIndexOf("/")))) this.#devices.get(id)?.command(id, message, offset);
    }
  }

  #attached(session: PeerSession, principal: Principal): void {
    this.#options.audit.write("login", { id: principal.id, remote: session.channel.transport.remote, transport: session.channel.transport.kind });
    this.#wills.back(principal.id);
    if (principal.user) return;
    const older = this.#devices.get(principal.id);
    this.#devices.set(principal.id, session);
    this.#joinGroups(session, principal);
    if (older === session) return;
    if (older && !older.channel.options.trusted) older.close(CloseCode.replaced, "replaced by a newer connection");
    if (!older) this.#presence(principal.id, "online", session.since);
  }

  #joinGroups(session: PeerSession, { id, groups }: Principal): void {
    for (const group of groups) {
      const members = this.#groups.get(group);
      if (members) members.set(id, session);
      else this.#groups.set(group, new Map([[id, session]]));
    }
  }

  #leaveGroups(session: PeerSession, { id, groups }: Principal): void {
    for (const group of groups) {
      const members = this.#groups.get(group);
      if (members?.get(id) === session) members.delete(id);
      if (members?.size === 0) this.#groups.delete(group);
    }
  }

  #detached(session: PeerSession, principal: Principal): boolean {
    this.#leaveGroups(session, principal);
    if (this.#devices.get(principal.id) !== session) return false;
    this.#devices.delete(principal.id);
    this.#presence(principal.id, "offline", session.lastSeen);
    return true;
  }

  /** Presence is a retained event of each device, on `event/<id>/presence`. */
  #presence(id: string, presence: "online" | "offline", lastSeen: number): void {
    const { office, log } = this.#options;
    try {
      const message = createMessage({ type: "event", from: `${id}/presence`, payload: { presence, lastSeen }, retain: true });
      office.complete(message, message.from);
      office.publish(message);
    } catch (error) {
      log.warn("presence of a device cannot be told", { device: id, error });
    }
  }

  #check(rightsChanged: boolean, newAuthority = false): void {
    for (const session of this.#sessions) session.check(rightsChanged, newAuthority);
    this.#wills.retry();
    this.#services.answers.retry();
  }
}

/** A failed login is in the audit log by itself, with what was shown. */
function auditRefusal(audit: AuditTrail, code: string, session: PeerSession): void {
  if (code === "authTimeout") audit.write("login-failed", { ...session.who(), code });
  else if (code !== "authFailed") audit.write("limit", { ...session.who(), code });
  else if (session.principal) audit.write("session-ended", { ...session.who(), code, reason: "it has expired, was revoked, or could not be renewed" });
}

function statusOf(session: PeerSession, principal: string): SessionStatus {
  return { id: session.id, principal, remote: session.channel.transport.remote, transport: session.channel.transport.kind, since: session.since, lastSeen: session.lastSeen };
}
