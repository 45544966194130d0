import type { CommandRecord, Commands, CommandState } from "../commands.ts";
import type { Clock } from "../clock.ts";
import type { Envelope } from "../envelope.ts";
import type { Journal } from "../journal.ts";
import { speaksFor } from "../topic.ts";

/** What an answer to a command carries as payload. */
export interface CommandAnswer {
  readonly msgid: string;
  readonly status: "ok" | "error";
  readonly result?: unknown;
}

interface Tracked {
  readonly message: Envelope;
  readonly expires: number;
  /** Counts up: who came first. */
  readonly order: number;
  state: CommandState;
  result: unknown;
}

/** Options of the tracker. */
export interface CommandTrackerOptions {
  readonly clock: Clock;
  /** Milliseconds after which a command that names no deadline of its own expires. */
  readonly ttl: number;
  /** Commands remembered at the most; those that are over go first, the oldest first. */
  readonly limit: number;
}

/**
 * Follows every command from its message to its answer: a view of the `command/#` and `ack/#` messages, rebuilt from the journal at start. It tells a session what
 * waits for its device, and the API how far a command has come.
 */
export class CommandTracker implements Commands {
  readonly #options: CommandTrackerOptions;
  readonly #byKey = new Map<string, Tracked>();
  readonly #byMsgid = new Map<string, Tracked>();
  /** What is not answered yet, by the device it is for. */
  readonly #open = new Map<string, Set<Tracked>>();
  /** What is over, in the order in which it ended. */
  readonly #over = new Set<Tracked>();
  #count = 0;

  constructor(options: CommandTrackerOptions) {
    this.#options = options;
  }

  /** Takes note of every command and answer of the journal that may still matter. */
  async rebuild(journal: Journal): Promise<void> {
    for (const pattern of ["command/#", "ack/#"]) {
      const { first, last } = journal.bounds();
      for (let after = Math.max(0, first - 1); after < last; ) {
        const page = await journal.read({ after, limit: 1000, pattern });
        for (const { message } of page.entries) this.see(message);
        after = page.until;
      }
    }
    this.expire();
  }

  /** Takes note of a command or an answer that passes. */
  see(message: Envelope): void {
    if (message.type === "command") this.#command(message);
    else if (message.type === "ack") this.#answer(message);
  }

  /** The commands that wait for `identity` or a device below it, in order, first to be sent ones and those sent but not answered. */
  waiting(identity: string): Envelope[] {
    const found: Tracked[] = [];
    for (const [device, commands] of this.#open) if (speaksFor(identity, device)) found.push(...commands);
    const now = this.#options.clock.now();
    return found.filter((one) => one.message.qos > 0 && one.expires > now).sort((a, b) => a.order - b.order).map((one) => one.message);
  }

  /** Whether that command is still to be sent for the first time. */
  isQueued(message: Envelope): boolean {
    return this.#byKey.get(keyOf(message))?.state === "queued";
  }

  /** The command has been handed to its device's connection. `final`: no answer can come back on it, so it is not sent again. */
  sent(message: Envelope, final: boolean): void {
    const tracked = this.#byKey.get(keyOf(message));
    if (tracked?.state !== "queued") return;
    tracked.state = "sent";
    if (final) this.#close(tracked);
  }

  /** The command of that msgid that was sent to `identity` or below it and is not answered yet. */
  unanswered(msgid: string, identity: string, groups: readonly string[]): Envelope | undefined {
    const isFor = (to: string): boolean => speaksFor(identity, to) || to === "all" || groups.some((group) => to === `group/${group}`);
    const last = this.#byMsgid.get(msgid);
    if (!last) return undefined;
    const { to } = last.message;
    if (isFor(to) && (last.state === "queued" || last.state === "sent" || !speaksFor(identity, to))) return last.message;
    // A msgid is unique per sender only: an earlier command of another sender may be the one that is answered.
    for (const [device, commands] of this.#open) {
      if (isFor(device)) for (const { message } of commands) if (message.msgid === msgid) return message;
    }
    return undefined;
  }

  get(msgid: string, from?: string): CommandRecord | undefined {
    const tracked = from === undefined ? this.#byMsgid.get(msgid) : this.#byKey.get(from + "\0" + msgid);
    if (!tracked) return undefined;
    this.#expireOne(tracked);
    const { message, state, result, expires } = tracked;
    return { msgid: message.msgid, from: message.from, to: message.to, state, ...(result === undefined ? {} : { result }), created: message.received, expires };
  }

  /** Ends what is past its deadline. To be called about once a second. */
  expire(): void {
    for (const commands of this.#open.values()) for (const one of commands) this.#expireOne(one);
  }

  #command(message: Envelope): void {
    const key = keyOf(message);
    if (this.#byKey.has(key)) return;
    const tracked: Tracked = { message, expires: message.expires ?? message.received + this.#options.ttl, order: ++this.#count, state: "queued", result: undefined };
    if (this.#byKey.size >= this.#options.limit) this.#forgetOldest();
    this.#byKey.set(key, tracked);
    this.#byMsgid.set(message.msgid, tracked);
    const open = this.#open.get(message.to);
    if (open) open.add(tracked);
    else this.#open.set(message.to, new Set([tracked]));
  }

  #answer(message: Envelope): void {
    const payload = message.payload;
    if (typeof payload !== "object" || payload === null || !("msgid" in payload)) return;
    const { msgid, status, result } = payload as Partial<CommandAnswer>;
    const tracked = typeof msgid === "string" ? this.#byKey.get(message.to + "\0" + msgid) : undefined;
    if (!tracked || (tracked.state !== "queued" && tracked.state !== "sent")) return;
    const { to } = tracked.message;
    if (to !== "all" && !to.startsWith("group/") && !speaksFor(message.from, to) && !speaksFor(to, message.from)) return;
    tracked.state = status === "error" ? "failed" : "done";
    tracked.result = result;
    this.#close(tracked);
  }

  #expireOne(tracked: Tracked): void {
    if ((tracked.state !== "queued" && tracked.state !== "sent") || tracked.expires > this.#options.clock.now()) return;
    if (!this.#open.get(tracked.message.to)?.has(tracked)) return; // sent where no answer can come: that is how it ends
    tracked.state = "expired";
    this.#close(tracked);
  }

  #close(tracked: Tracked): void {
    const open = this.#open.get(tracked.message.to);
    open?.delete(tracked);
    if (open?.size === 0) this.#open.delete(tracked.message.to);
    this.#over.add(tracked);
  }

  #forgetOldest(): void {
    const tracked = this.#over.values().next().value ?? this.#byKey.values().next().value!;
    this.#byKey.delete(keyOf(tracked.message));
    if (this.#byMsgid.get(tracked.message.msgid) === tracked) this.#byMsgid.delete(tracked.message.msgid);
    this.#close(tracked);
    this.#over.delete(tracked);
  }
}

function keyOf(message: Envelope): string {
  return message.from + "\0" + message.msgid;
}
