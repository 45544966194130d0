import type { Principal } from "../authority.ts";
import type { DeliveryTerms } from "../codec.ts";
import type { TrackedCommand } from "../delivery/tracked-command.ts";
import type { Envelope, Message } from "../envelope.ts";
import { speaksFor } from "../topic.ts";
import type { PeerChannel } from "./peer-channel.ts";
import type { SessionServices } from "./session-services.ts";

/** Milliseconds between two repetitions at the most. */
const maxPause = 60_000;
/** A time that does not come: for what is not sent again on this connection. */
const settled = Number.POSITIVE_INFINITY;

/** Whether a command to `to` is for that device: to itself or what lies below it, to one of its groups, or to all (WIRE §1). */
export function isCommandFor({ id, groups }: Principal, to: string): boolean {
  return speaksFor(id, to) || to === "all" || (to.startsWith("group/") && groups.includes(to.slice(6)));
}

/** Where an inbox belongs. */
export interface InboxOptions {
  readonly channel: PeerChannel;
  readonly services: SessionServices;
}

/** A command that this connection has to do with. */
interface Outstanding {
  /** Milliseconds since the Unix epoch: when it is sent again; `settled` = not on this connection. */
  due: number;
  /** Milliseconds from then to the next time. */
  pause: number;
}

/**
 * What a device receives without subscribing (WIRE §1): the commands to itself, to each of its groups and to all, in the order they came. What waited for it comes first. A protocol
 * that can answer gets a command again until it does, with growing pauses, and anew on the next connection; one that cannot gets it once, after that is noted in the journal.
 */
export class Inbox {
  readonly #principal: Principal;
  readonly #channel: PeerChannel;
  readonly #services: SessionServices;
  /** What waits behind commands that are not answered yet, from `#next` on. */
  #queue: TrackedCommand[] | undefined;
  #next = 0;
  #outstanding: Map<TrackedCommand, Outstanding> | undefined;
  /** Those of them that will be repeated. */
  #inFlight = 0;
  #flushed = false;

  constructor(principal: Principal, { channel, services }: InboxOptions) {
    this.#principal = principal;
    this.#channel = channel;
    this.#services = services;
  }

  /** Whether commands go out at once, or only when the device has spoken. */
  get #push(): boolean {
    return this.#channel.options.commands !== "on-input";
  }

  /** Whether the device has still to subscribe. */
  get #shut(): boolean {
    return this.#terms === undefined && this.#channel.options.commands === "on-subscribe";
  }

  /** On which terms commands are delivered, where that takes a subscription. */
  get #terms(): DeliveryTerms | undefined {
    return this.#channel.commandTerms;
  }

  /** Whether the protocol can answer a command. */
  get #answers(): boolean {
    return this.#channel.options.answers ?? true;
  }

  /** Takes a command as it passes on the bus. */
  pass(message: Envelope, offset: number | undefined): void {
    if (!this.#push || this.#shut) return;
    if (message.qos === 0) {
      if (message.expires !== undefined && message.expires <= this.#services.clock.now()) return;
      if (!this.#channel.sendLive(message as Message, offset, this.#terms)) return;
      const command = this.#services.commands.find(message);
      command?.hand(this.#principal.id, !this.#answers);
      if (command && !this.#answers) this.#unconfirmed(command);
      return;
    }
    const command = this.#services.commands.find(message);
    if (command === undefined || !this.#flushed) return; // `flush` takes it with those before it
    if (this.#queue !== undefined || !this.#hasRoom()) (this.#queue ??= []).push(command);
    else this.#send(command, true);
  }

  /** Sends what waits for the device: once at the start, or, where the device has to speak first, whenever it has. */
  flush(): void {
    if (this.#shut) return void (this.#flushed = false);
    if (this.#push && this.#flushed) return;
    this.#flushed = true;
    if (!this.#push && this.#outstanding) this.#sendAgain(this.#services.clock.now());
    const waiting = this.#services.commands.waiting(this.#principal);
    if (waiting.length === 0) return;
    this.#queue = this.#outstanding === undefined ? [...waiting] : waiting.filter((one) => !this.#outstanding!.has(one));
    this.#next = 0;
    this.#pump();
  }

  /** The device has that command: it is not sent again on this connection, but stays open until it is answered. */
  acknowledge(msgid: string, offset: number | undefined): void {
    if (this.#inFlight === 0) return;
    for (const [command, one] of this.#outstanding!) if (command.isNamed(msgid, offset)) this.#settle(one);
    this.#pump();
  }

  /** The device's answer to that command is lost: it gets the command again, as if it had not answered. */
  again(command: TrackedCommand): void {
    const known = this.#outstanding?.get(command);
    if (known) this.#forget(command, known);
    this.#remember(command, this.#services.clock.now() + this.#channel.redeliver);
  }

  /** About once a second: sends again what was not answered in time, and what there was no room for. */
  repeat(now: number): void {
    if (!this.#push) return; // `flush` does it when the device has spoken
    this.flush();
    if (this.#shut) return;
    if (this.#outstanding) this.#sendAgain(now);
    this.#pump();
  }

  #sendAgain(now: number): void {
    const { id } = this.#principal;
    for (const [command, one] of this.#outstanding!) {
      if (!command.wants(id)) this.#forget(command, one);
      else if (one.due <= now && this.#services.commands.mayGo(command, id) && this.#channel.hasRoom()) {
        this.#channel.send(command.message as Message, command.offset, this.#terms);
        one.due = now + one.pause;
        one.pause = Math.min(one.pause * 2, Math.max(maxPause, this.#channel.redeliver));
      }
    }
  }

  #hasRoom(): boolean {
    return this.#inFlight < this.#channel.inFlight && this.#channel.hasRoom();
  }

  #pump(): void {
    const queue = this.#queue;
    if (queue === undefined) return;
    while (this.#next < queue.length && this.#hasRoom()) this.#send(queue[this.#next++]!, false);
    if (this.#next < queue.length) return;
    this.#queue = undefined;
    this.#next = 0;
  }

  #send(command: TrackedCommand, live: boolean): void {
    const message = command.message as Message;
    const { id } = this.#principal;
    if (!this.#channel.open || !this.#services.commands.mayGo(command, id)) return;
    if (this.#terms === undefined && this.#channel.options.codec.encodeMessage(message, command.offset) === undefined) return this.#unsayable(command);
    if (!this.#answers) return this.#sendOnce(command);
    if (!(live ? this.#channel.sendLive(message, command.offset, this.#terms) : this.#channel.send(message, command.offset, this.#terms))) return;
    this.#remember(command, this.#services.clock.now() + this.#channel.redeliver);
    if (!command.wasHanded(id)) this.#services.handed(command, id, false);
  }

  /** At most once: it is noted before the first byte leaves, so that a crash in between loses it rather than doubles it. */
  #sendOnce(command: TrackedCommand): void {
    const { id } = this.#principal;
    this.#remember(command, settled);
    this.#services.handed(command, id, true, (error) => {
      const stillWanted = error === undefined && command.wants(id) && command.expires > this.#services.clock.now();
      if (stillWanted && this.#channel.send(command.message as Message, command.offset, this.#terms)) {
        this.#unconfirmed(command);
      } else {
        this.#outstanding?.delete(command);
        this.#services.commands.takeBack(command, id);
        this.#flushed = false; // `repeat` tries again if the connection is still there
      }
    });
  }

  /** More than that it was handed over nobody will ever know. */
  #unconfirmed(command: TrackedCommand): void {
    this.#services.answers.give({ msgid: command.message.msgid, status: "ok", result: { unconfirmed: true } }, { command, principal: this.#principal });
  }

  /** A command that the device's protocol has no words for will never be done. */
  #unsayable(command: TrackedCommand): void {
    const { message } = command;
    this.#remember(command, settled);
    if (speaksFor(this.#principal.id, message.to)) this.#services.answers.give({ msgid: message.msgid, status: "error", result: "the device's protocol cannot say this command" }, { command, principal: this.#principal });
  }

  #remember(command: TrackedCommand, due: number): void {
    if (due !== settled) this.#inFlight++;
    (this.#outstanding ??= new Map()).set(command, { due, pause: this.#channel.redeliver * 2 });
  }

  #settle(one: Outstanding): void {
    if (one.due !== settled) this.#inFlight--;
    one.due = settled;
  }

  #forget(command: TrackedCommand, one: Outstanding): void {
    this.#settle(one);
    this.#outstanding!.delete(command);
  }
}
