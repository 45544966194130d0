import type { CommandAnswer, CommandRecord, CommandState, DeviceAnswer } from "../commands.ts";
import type { Envelope } from "../envelope.ts";

/** Answers kept of one command to many: further ones count, what they say is on `ack/<who gave it>` only. */
export const maxAnswers = 1000;

/** An `ack` envelope and its place in the journal. */
export interface StoredAnswer {
  readonly message: Envelope;
  readonly offset: number | undefined;
}

/** What one device has of a command. */
interface Handover {
  /** Its protocol knows no answers, or so it did when it was handed over: it must not get the command again. */
  final: boolean;
  status: "ok" | "error" | undefined;
  stored: StoredAnswer | undefined;
}

/** One command: to whom it was handed, who answered, and how that ends. `CommandTracker` keeps them. */
export class TrackedCommand {
  readonly message: Envelope;
  /** Its place in the journal; undefined at qos 0. */
  readonly offset: number | undefined;
  /** Milliseconds since the Unix epoch. */
  readonly expires: number;
  /** Counts up: who came first. */
  readonly order: number;
  /** Whether it is for many devices: `all`, or a group. */
  readonly toMany: boolean;
  /** The msgid of a later one of the same replace key: devices that have not got this one get only that. */
  replacedBy: string | undefined;
  state: CommandState = "queued";
  result: unknown;
  /** No device has ended it: its time ran out, or a later one took its place. */
  byGateway = false;
  /** How it ended, as its sender was told; of a command to one device. */
  answer: StoredAnswer | undefined;
  /** Whom it was handed to and who answered. */
  readonly #devices = new Map<string, Handover>();
  /** Devices whose answer is on its way to the journal. */
  #claims: Set<string> | undefined;
  #answers = 0;

  constructor(message: Envelope, offset: number | undefined, { expires, order }: { readonly expires: number; readonly order: number }) {
    this.message = message;
    this.offset = offset;
    this.expires = expires;
    this.order = order;
    this.toMany = message.to === "all" || message.to.startsWith("group/");
  }

  /** Whether it can still be handed over and answered. */
  get open(): boolean {
    return this.state === "queued" || this.state === "sent";
  }

  /** Whether an acknowledgement means it: a msgid alone is unique per sender only, so a peer may say the offset too. */
  isNamed(msgid: string, offset: number | undefined): boolean {
    return this.message.msgid === msgid && (offset === undefined || this.offset === offset);
  }

  /** Whether an answer of `device` would still count. */
  wants(device: string): boolean {
    return this.open && !this.#claims?.has(device) && (!this.toMany || this.#devices.get(device)?.status === undefined);
  }

  /** Whether `device` may be sent it: for the first time, or again because it has not answered. */
  mayGo(device: string): boolean {
    if (!this.wants(device)) return false;
    if (!this.toMany) {
      for (const { final } of this.#devices.values()) if (final) return false;
      return true;
    }
    const handed = this.#devices.get(device);
    return handed === undefined ? this.replacedBy === undefined : !handed.final;
  }

  /** Whether `device` has been handed it. */
  wasHanded(device: string): boolean {
    return this.#devices.has(device);
  }

  /** Whether an answer of `device` to a command to many counts already. */
  hasAnswered(device: string): boolean {
    return this.#devices.get(device)?.status !== undefined;
  }

  /** It goes to `device`. */
  hand(device: string, final: boolean): void {
    const known = this.#devices.get(device);
    if (known) known.final ||= final;
    else this.#devices.set(device, { final, status: undefined, stored: undefined });
    if (this.state === "queued") this.state = "sent";
  }

  /** It has not gone to `device` after all. */
  takeBack(device: string): void {
    this.#devices.delete(device);
    if (this.#devices.size === 0 && this.state === "sent") this.state = "queued";
  }

  /** An answer of `device` is on its way to the journal; or, with false, has not got there. */
  claim(device: string, claimed: boolean): void {
    if (claimed) (this.#claims ??= new Set()).add(device);
    else this.#claims?.delete(device);
  }

  /** One of many devices has answered; its first answer counts. */
  take(stored: StoredAnswer, status: "ok" | "error"): void {
    const device = stored.message.from;
    let handover = this.#devices.get(device);
    if (handover === undefined) this.#devices.set(device, (handover = { final: false, status: undefined, stored: undefined }));
    if (handover.status !== undefined) return;
    if (this.state === "queued") this.state = "sent";
    handover.status = status;
    if (++this.#answers <= maxAnswers) handover.stored = stored;
  }

  /** How a command to many ends at its deadline: done when every device that got it has answered ok, failed when all have and one of them error, else expired. */
  outcome(): CommandState {
    let failed = false;
    for (const { status } of this.#devices.values()) {
      if (status === undefined) return "expired";
      failed ||= status === "error";
    }
    return this.#devices.size === 0 ? "expired" : failed ? "failed" : "done";
  }

  /** The answers that are kept, as they were given. */
  stored(): readonly StoredAnswer[] {
    if (!this.toMany) return this.answer ? [this.answer] : [];
    return [...this.#devices.values()].flatMap(({ stored }) => stored ?? []);
  }

  record(): CommandRecord {
    const { msgid, from, to, received } = this.message;
    const { state, result, expires } = this;
    return { msgid, from, to, state, ...(result === undefined ? {} : { result }), ...(this.toMany ? this.#many() : {}), created: received, expires };
  }

  #many(): Pick<CommandRecord, "answers" | "devices"> {
    const answers = [...this.#devices].flatMap(([device, { status, stored }]): [string, DeviceAnswer][] => {
      if (status === undefined || stored === undefined) return [];
      const { result } = stored.message.payload as CommandAnswer;
      return [[device, { status, ...(result === undefined ? {} : { result }), at: stored.message.received }]];
    });
    return { answers: Object.fromEntries(answers), devices: { handed: this.#devices.size, answered: this.#answers } }; // fromEntries: an id may be __proto__
  }
}
