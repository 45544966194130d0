import type { Clock } from "../clock.ts";
import type { CommandAnswer, CommandRecord, Commands, CommandState } from "../commands.ts";
import type { Envelope, Message } from "../envelope.ts";
import { BusbarError } from "../errors.ts";
import type { Journal } from "../journal.ts";
import { gatewayId, mayAnswer, speaksFor } from "../topic.ts";
import { dedupeKey } from "./dedupe-window.ts";
import { isHandoverNote, readHandoverNote } from "./handover-notes.ts";
import { OpenCommands } from "./open-commands.ts";
import { type StoredAnswer, TrackedCommand } from "./tracked-command.ts";
import { walkJournal } from "./walk-journal.ts";

/** Options of the tracker. */
export interface CommandTrackerOptions {
  readonly clock: Clock;
  /** Milliseconds after which a command that names no deadline of its own expires. */
  readonly ttl: number;
  /** Commands remembered at the most; those that are over go first, the oldest first. While so many are open, no further one is admitted. */
  readonly limit: number;
  /** Commands that may be open for one device, for `all` or for one group. */
  readonly perDevice: number;
  /** A command was ended without its device: whoever gave it is to be told. */
  readonly tell: (command: Envelope, answer: CommandAnswer) => void;
}

/** Somebody who may have commands. */
export interface CommandTaker {
  readonly id: string;
  readonly groups: readonly string[];
}

/** Commands that `expire` ends at once at the most: whoever gave them is told through the journal, which has other work too. */
const expiredAtOnce = 1000;

/**
 * Follows every command from its message to its answer: a view of the `command/#` and `ack/#` messages and of the gateway's own notes, rebuilt from the journal at start.
 * It decides what is admitted, tells a session what waits for its device, and the API how far a command has come.
 */
export class CommandTracker implements Commands {
  readonly #options: CommandTrackerOptions;
  readonly #byKey = new Map<string, TrackedCommand>();
  readonly #byMsgid = new Map<string, TrackedCommand>();
  readonly #open = new OpenCommands();
  /** Keys of what is on its way to the journal. */
  readonly #admitted = new Set<string>();
  /** What is over, in the order in which it ended. */
  readonly #over = new Set<TrackedCommand>();
  readonly #waiters = new Map<TrackedCommand, Set<() => void>>();
  #count = 0;
  #rebuilding = false;

  constructor(options: CommandTrackerOptions) {
    this.#options = options;
  }

  /** Commands that are not over. */
  get openCount(): number {
    return this.#open.size;
  }

  /** The place in the journal of the oldest command that is not over; undefined when there is none. */
  get oldest(): number | undefined {
    return this.#open.oldest;
  }

  /** Takes note of every command, answer and note of the journal that may still matter. */
  async rebuild(journal: Journal): Promise<void> {
    this.#rebuilding = true;
    for await (const page of walkJournal(journal, { after: 0, limit: 5000, pattern: ["command/#", "command-sent/#", "ack/#"] })) {
      for (const { message, offset } of page) this.see(message, offset);
    }
    this.#rebuilding = false;
    for (const one of this.#open) this.#endReplaced(one);
    this.expire();
  }

  /**
   * Lets a command of qos 1 or 2 on its way to the journal, and stamps its deadline on it, so that it is the same after a restart with another config.
   * Returns whether it is to be released when its fate is known: not one that is known already.
   * @throws {BusbarError} OVERLOAD when too many wait for whom it is for, or altogether.
   */
  admit(message: Message): boolean {
    const key = dedupeKey(message);
    if (this.#byKey.has(key) || this.#admitted.has(key)) return false;
    const { perDevice, limit, ttl } = this.#options;
    const { to } = message;
    message.expires ??= message.received + ttl;
    if (this.#open.countFor(to) >= perDevice && this.#open.replacedBy(message)?.state !== "queued") throw tooMany(`${perDevice} are open for "${to}"`);
    if (this.#open.reservedSize >= limit) throw tooMany(`${limit} are open`);
    this.#open.reserve(to);
    this.#admitted.add(key);
    return true;
  }

  /** An admitted command is in the journal, or has not got there. */
  release(message: Envelope): void {
    this.#admitted.delete(dedupeKey(message));
    this.#open.release(message.to);
  }

  /** Takes note of a command, an answer or a note that passes. Returns false for a command that is known: it must not go to its device again. */
  see(message: Envelope, offset: number | undefined): boolean {
    if (message.type === "command") return this.#command(message, offset);
    if (message.type === "ack") this.#answer({ message, offset });
    else if (this.#rebuilding && isHandoverNote(message)) {
      for (const { from, msgid, device, final } of readHandoverNote(message)) {
        const tracked = this.#byKey.get(dedupeKey({ from, msgid }));
        if (tracked?.open) tracked.hand(device, final === true);
      }
    }
    return true;
  }

  /** The commands that wait for a device, what lies below it, its groups and all, in the order they came: those to be sent for the first time and those that it has not answered. */
  waiting({ id, groups }: CommandTaker): readonly TrackedCommand[] {
    const found: TrackedCommand[] = [];
    this.#open.forTaker(id, groups, (one) => {
      if (one.message.qos > 0 && this.mayGo(one, id)) found.push(one);
    });
    return found.sort((a, b) => a.order - b.order);
  }

  /** The command that a message is, when it is followed. */
  find(message: Envelope): TrackedCommand | undefined {
    return this.#byKey.get(dedupeKey(message));
  }

  /** Whether `device` may be sent that command now, for the first time or again. */
  mayGo(command: TrackedCommand, device: string): boolean {
    return command.mayGo(device) && command.expires > this.#options.clock.now();
  }

  /** A command that was to be handed to `device` for good has not gone there after all: it waits again, unless a later one has taken its place. */
  takeBack(command: TrackedCommand, device: string): void {
    command.takeBack(device);
    this.#endReplaced(command);
  }

  /** The command of that msgid, and of that offset where one is given, that `taker` may still answer. */
  unanswered(msgid: string, taker: CommandTaker, offset?: number): TrackedCommand | undefined {
    const fits = (one: TrackedCommand): boolean => one.isNamed(msgid, offset) && one.wants(taker.id) && one.expires > this.#options.clock.now();
    const last = this.#byMsgid.get(msgid);
    if (!last || (isFor(last.message.to, taker) && fits(last))) return last;
    let found: TrackedCommand | undefined; // a msgid is unique per sender only: an earlier command of another sender may be the one that is answered
    this.#open.forTaker(taker.id, taker.groups, (one) => {
      if (fits(one)) found ??= one;
    });
    return found;
  }

  /** The command of that msgid that was ended before `taker` answered: its time ran out, or a later one took its place. */
  late(msgid: string, taker: CommandTaker): TrackedCommand | undefined {
    const last = this.#byMsgid.get(msgid);
    if (!last || !isFor(last.message.to, taker)) return undefined;
    this.#expireOne(last);
    return !last.open && last.byGateway && !last.hasAnswered(taker.id) ? last : undefined;
  }

  get(msgid: string, from?: string): CommandRecord | undefined {
    const tracked = from === undefined ? this.#byMsgid.get(msgid) : this.#byKey.get(dedupeKey({ from, msgid }));
    if (!tracked) return undefined;
    this.#expireOne(tracked);
    return tracked.record();
  }

  /** What was answered to a command, as it was: one answer, or one of each device. */
  answers(message: { readonly from: string; readonly msgid: string }): readonly StoredAnswer[] {
    return this.#byKey.get(dedupeKey(message))?.stored() ?? [];
  }

  ended(msgid: string, { from, signal }: { readonly from: string; readonly signal: AbortSignal }): Promise<CommandRecord> {
    return new Promise((resolve, reject) => {
      const tracked = this.#byKey.get(dedupeKey({ from, msgid }));
      if (!tracked) return reject(new BusbarError("NOT_FOUND", `Cannot wait for the command ${JSON.stringify(msgid)}: none is known by that msgid`));
      this.#expireOne(tracked);
      if (!tracked.open) return resolve(tracked.record());
      if (signal.aborted) return reject(signal.reason);
      const waiters = this.#waiters.get(tracked) ?? new Set();
      const abort = (): void => {
        waiters.delete(done);
        if (waiters.size === 0) this.#waiters.delete(tracked);
        reject(signal.reason);
      };
      const done = (): void => {
        signal.removeEventListener("abort", abort);
        resolve(tracked.record());
      };
      this.#waiters.set(tracked, waiters.add(done));
      signal.addEventListener("abort", abort, { once: true });
    });
  }

  /** Ends what is past its deadline. To be called about once a second. */
  expire(): void {
    const now = this.#options.clock.now();
    let left = expiredAtOnce;
    for (const one of this.#open) if (one.expires <= now && left-- > 0) this.#expireOne(one);
  }

  #command(message: Envelope, offset: number | undefined): boolean {
    const key = dedupeKey(message);
    if (this.#byKey.has(key)) return false;
    const { limit, ttl } = this.#options;
    if (this.#byKey.size >= limit) {
      const oldest = this.#over.values().next().value;
      if (oldest) this.#forget(oldest);
      else if (message.qos === 0) return true; // what nobody was promised is not followed; what was acknowledged is, even beyond the limit
    }
    const tracked = new TrackedCommand(message, offset, { expires: message.expires ?? message.received + ttl, order: ++this.#count });
    this.#byKey.set(key, tracked);
    this.#byMsgid.set(message.msgid, tracked);
    this.#open.add(tracked);
    if (tracked.expires > message.received) this.#replaceOlder(tracked);
    return true;
  }

  /** A command with a replace key takes the place of the one before it: wholly when that has not been sent, else for the devices that have not got it. */
  #replaceOlder(tracked: TrackedCommand): void {
    const older = this.#open.replacedBy(tracked.message);
    this.#open.makeNewest(tracked);
    if (older === undefined) return;
    older.replacedBy = tracked.message.msgid;
    if (!this.#rebuilding) this.#endReplaced(older); // else a note that it was sent may follow
  }

  #endReplaced(one: TrackedCommand): void {
    if (one.state === "queued" && one.replacedBy !== undefined) this.#endByGateway(one, "failed", { replaced: one.replacedBy });
  }

  #answer(stored: StoredAnswer): void {
    const { payload, from, to: sender, received } = stored.message;
    if (typeof payload !== "object" || payload === null || !("msgid" in payload)) return;
    const { msgid, status, result } = payload as Partial<CommandAnswer>;
    const tracked = typeof msgid === "string" ? this.#byKey.get(dedupeKey({ from: sender, msgid })) : undefined;
    if (!tracked) return;
    const end = from === gatewayId ? endOf(result) : undefined;
    if (end !== undefined) {
      tracked.answer ??= stored;
      if (tracked.open) this.#end(tracked, end, result, true);
      return;
    }
    const { to } = tracked.message;
    if (!tracked.open || received >= tracked.expires || !mayAnswer(from, to)) return;
    const verdict = status === "error" ? "error" : "ok";
    if (tracked.toMany) return tracked.take(stored, verdict);
    tracked.answer = stored;
    this.#end(tracked, verdict === "error" ? "failed" : "done", result, false);
  }

  #expireOne(tracked: TrackedCommand): void {
    if (!tracked.open || tracked.expires > this.#options.clock.now()) return;
    if (tracked.toMany) this.#end(tracked, tracked.outcome(), undefined, true);
    else this.#endByGateway(tracked, "expired", { expired: tracked.expires });
  }

  /** Ends a command that no device has ended, and has its sender told. */
  #endByGateway(tracked: TrackedCommand, state: CommandState, result: unknown): void {
    this.#end(tracked, state, result, true);
    const { message, offset } = tracked;
    if (offset !== undefined) this.#options.tell(message, { msgid: message.msgid, status: "error", result });
  }

  #end(tracked: TrackedCommand, state: CommandState, result: unknown, byGateway: boolean): void {
    tracked.byGateway = byGateway;
    tracked.state = state;
    tracked.result = result;
    this.#open.delete(tracked);
    this.#over.add(tracked);
    const waiters = this.#waiters.get(tracked);
    this.#waiters.delete(tracked);
    if (waiters) for (const done of waiters) done();
  }

  #forget(tracked: TrackedCommand): void {
    const { message } = tracked;
    this.#byKey.delete(dedupeKey(message));
    if (this.#byMsgid.get(message.msgid) === tracked) this.#byMsgid.delete(message.msgid);
    this.#over.delete(tracked);
  }
}

/** Not retryable: it is devices that have to answer first, and what its sender says next need not wait for that. */
function tooMany(open: string): BusbarError {
  return new BusbarError("OVERLOAD", `Cannot take the command: ${open}, the most there may be`, { retryable: false });
}

/** How a command ended that the gateway ended, from what its sender was told. */
function endOf(result: unknown): CommandState | undefined {
  if (typeof result !== "object" || result === null) return undefined;
  return "replaced" in result ? "failed" : "expired" in result ? "expired" : undefined;
}

function isFor(to: string, { id, groups }: CommandTaker): boolean {
  return speaksFor(id, to) || to === "all" || groups.some((group) => to === `group/${group}`);
}
