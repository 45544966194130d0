import type { AuditTrail } from "../audit/audit-trail.ts";
import type { Principal } from "../authority.ts";
import type { CommandAnswer } from "../commands.ts";
import type { CommandTracker } from "../delivery/command-tracker.ts";
import type { PostOffice } from "../delivery/post-office.ts";
import type { TrackedCommand } from "../delivery/tracked-command.ts";
import { createMessage, type Message } from "../envelope.ts";
import { BusbarError } from "../errors.ts";
import type { AckFrame } from "../frame.ts";
import type { Log } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { speaksFor } from "../topic.ts";
import type { Identity } from "./identity.ts";
import type { PeerChannel } from "./peer-channel.ts";

/** What answers work with. */
export interface CommandAnswersOptions {
  readonly office: PostOffice;
  readonly commands: CommandTracker;
  readonly audit: AuditTrail;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** One answer, on its way to the journal. */
interface Answer {
  readonly command: TrackedCommand;
  readonly principal: Principal;
  readonly message: Message;
  readonly lost: (() => void) | undefined;
}

/** Answers, and bytes of them, that wait at the most while the journal refuses messages. */
const maxWaiting = 10_000;
const maxBytes = 16 * 1024 * 1024;

/**
 * What devices answer to commands, on its way to whoever gave them: an `ack` envelope of qos 1. Nobody acknowledges an answer to its device, so what the journal refuses waits here until it takes
 * messages again; when too much waits, the device is asked again.
 */
export class CommandAnswers {
  readonly #options: CommandAnswersOptions;
  #waiting: Answer[] = [];
  #bytes = 0;

  constructor(options: CommandAnswersOptions) {
    this.#options = options;
    options.metrics.gauge("busbar_command_answers_waiting", "Answers to commands that wait until the journal takes messages again", () => this.#waiting.length);
  }

  /** Takes an acknowledgement that carries an answer. Returns false when it belongs to no command that this identity may answer. */
  take({ msgid, offset, status = "ok", payload }: AckFrame, { principal, inbox }: Identity): boolean {
    const { commands, audit } = this.#options;
    const command = commands.unanswered(msgid, principal, offset);
    if (command) {
      this.give({ msgid, status, ...(payload === undefined ? {} : { result: payload }) }, { command, principal, lost: () => inbox?.again(command) });
      return true;
    }
    const late = commands.late(msgid, principal);
    if (late) audit.write("command-result", { msgid, status, from: late.message.from, device: principal.id, late: true });
    return late !== undefined;
  }

  /** `principal` answers a command. `lost` is told when the answer could not be kept until the journal takes it. */
  give(answer: CommandAnswer, { command, principal, lost }: { readonly command: TrackedCommand; readonly principal: Principal; readonly lost?: () => void }): void {
    const { to } = command.message;
    const from = speaksFor(principal.id, to) ? to : principal.id;
    const message = createMessage({ type: "ack", from, to: command.message.from, payload: answer, qos: 1 });
    this.#options.office.complete(message, from);
    command.claim(principal.id, true); // who answers twice is heard once
    const one: Answer = { command, principal, message, lost };
    if (this.#waiting.length > 0) this.#keep(one); // it must not overtake those before it
    else this.#deliver(one);
  }

  /** Tries again what the journal has refused. To be called about once a second. */
  retry(): void {
    if (this.#waiting.length === 0 || this.#options.office.full) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#bytes = 0;
    for (const one of waiting) {
      if (one.command.open) this.#deliver(one);
      else this.#tooLate(one);
    }
  }

  #deliver(one: Answer): void {
    const { command, principal, message } = one;
    this.#options.office.deliver(message, (error) => {
      if (error instanceof BusbarError && error.retryable) return this.#keep(one);
      command.claim(principal.id, false);
      if (error !== undefined) this.#options.log.error("answer to a command is lost", { device: principal.id, error });
    });
  }

  #keep(one: Answer): void {
    const { command, principal, message, lost } = one;
    const size = message.payloadBytes()?.length ?? message.payloadText().length;
    if (this.#waiting.length < maxWaiting && this.#bytes + size <= maxBytes) {
      if (this.#waiting.length === 0) this.#options.log.warn("answers to commands wait until the journal takes messages again", { device: principal.id });
      this.#bytes += size;
      this.#waiting.push(one);
      return;
    }
    command.claim(principal.id, false);
    this.#options.log.error("answer to a command is lost: too many wait until the journal takes messages again", { device: principal.id });
    lost?.();
  }

  /** The command has ended without its device meanwhile, and whoever gave it has been told so. */
  #tooLate({ command: { message }, principal }: Answer): void {
    this.#options.audit.write("command-result", { msgid: message.msgid, from: message.from, device: principal.id, late: true });
  }

  /** A command that is known was given again, through `channel`: whoever did hears the answers again, as far as there is room. */
  repeat(command: Message, channel: PeerChannel): void {
    for (const { message, offset } of this.#options.commands.answers(command)) {
      if (!channel.hasRoom() || !channel.send(message as Message, offset, undefined)) return;
    }
  }
}
