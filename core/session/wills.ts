import type { Clock } from "../clock.ts";
import type { PrincipalBus } from "../delivery/create-bus.ts";
import type { PostOffice } from "../delivery/post-office.ts";
import { createMessage, createMinter, Message, parsePayload, toJsonObject, type Draft, type Envelope, type Qos } from "../envelope.ts";
import type { Log } from "../log.ts";
import { topicOf, willType } from "../topic.ts";

/** What wills work with. */
export interface WillsOptions {
  readonly office: PostOffice;
  readonly clock: Clock;
  readonly log: Log;
  /** Milliseconds after the start in which whoever was connected when the gateway was killed may come back. */
  readonly grace: number;
  /** Whether somebody of that id may still come: not when it is revoked. */
  readonly stands: (id: string) => boolean;
}

/** The last will of one who is connected: it is published, or void, once. */
export interface Will {
  /** Where it would be said. */
  readonly topic: string;
  /** The connection has ended, and not by its own goodbye. */
  publish(): void;
  /** It is void. `done` is called once the journal says so, too, or cannot. */
  discard(done?: () => void): void;
}

/** A will as it is in the journal: whose it is, and what is to be said, with its msgid. */
interface Testament {
  readonly id: string;
  readonly will: Draft;
}

/**
 * The last wills (MQTT 3.1.1 §3.1.2.5) of all who are connected: a view of the retained messages of the type `will`, one for each, which nobody else sees. A will is in the journal before its owner is
 * told that it is logged in, and is taken out once it has been published or is void; so those of a gateway that was killed are found by the next one. A will of qos ≥ 1 is
 * published under the msgid that it has had from the beginning: in whatever moment the gateway is killed, it comes once.
 */
export class Wills {
  readonly #options: WillsOptions;
  readonly #mint = createMinter();
  /** Those of this run that are in the journal, or on their way to it, by the name of their message. */
  readonly #own = new Set<string>();
  /** Those of former runs whose owner may still come back, by the name of their message. */
  readonly #left = new Map<string, Testament>();
  /** Those that the journal has refused: to be published when it takes messages again. */
  readonly #due = new Map<string, Testament>();
  #underWay = 0;
  #settled: (() => void)[] = [];
  #cancel = (): void => {};

  constructor(options: WillsOptions) {
    this.#options = options;
  }

  /**
   * Checks a will as if its owner published it now.
   * @throws {BusbarError} FORBIDDEN when it may not.
   */
  check(bus: PrincipalBus, will: Message): Draft {
    const { type, to, msgid, timestamp, qos, retain, expires, replace, payload } = will;
    const sample = createMessage({ type, from: will.from, to, msgid, timestamp, qos, retain, expires, replace, payload });
    bus.admit(sample);
    return { type, from: sample.from, to, msgid: sample.msgid, timestamp, qos, retain, expires, replace, payload };
  }

  /** Takes a checked will over; `kept` is called once it is in the journal, or has to do without. */
  keep(id: string, will: Draft, kept: () => void): Will {
    const { office, log } = this.#options;
    const name = this.#mint();
    const testament: Testament = { id, will };
    const stored = toJsonObject(createMessage(will));
    const record = (qos: Qos): Message => this.#record(name, { qos, payload: { id, will: stored } });
    this.#own.add(name);
    office.deliver(record(1), (error) => {
      if (error !== undefined) {
        log.warn("will is not in the journal: it would be lost if the gateway were killed", { id, error });
        if (this.#own.has(name)) office.publish(record(0)); // goes there as soon as it takes messages again
      }
      kept();
    });
    return {
      topic: topicOf(will.type, will.from ?? id, will.to ?? "server"),
      publish: () => this.#own.delete(name) && this.#publish(name, testament),
      discard: (done) => this.#own.delete(name) && this.#clear(name, done),
    };
  }

  /** Looks for what a gateway before this one has left. `isConnected`: whether somebody of that id is there already. */
  open(isConnected: (id: string) => boolean): void {
    const { office, clock, log, grace, stands } = this.#options;
    office.retained(`${willType}/#`, ({ from, payload }) => {
      if (!this.#own.has(from)) this.#left.set(from, testamentOf(payload));
    });
    for (const [name, { id }] of [...this.#left]) if (isConnected(id)) this.#void(name);
    if (this.#left.size === 0) return;
    this.#cancel = clock.after(grace, () => {
      for (const [name, testament] of [...this.#left]) {
        if (stands(testament.id)) {
          this.#left.delete(name);
          this.#publish(name, testament);
          continue;
        }
        log.warn("last will is void", { id: testament.id, reason: "it is revoked" });
        this.#void(name);
      }
    });
  }

  /** Somebody is connected: what was left of it is void, as if it had been there all the time. */
  back(id: string): void {
    if (this.#left.size > 0) for (const [name, { id: owner }] of [...this.#left]) if (owner === id) this.#void(name);
  }

  /** Tries again what the journal has refused. To be called about once a second. */
  retry(): void {
    if (this.#due.size === 0 || this.#options.office.refusal !== undefined) return;
    const due = [...this.#due];
    this.#due.clear();
    for (const [name, testament] of due) this.#publish(name, testament);
  }

  /** Resolves when every will that was published is in the journal, or stays there for the next start. */
  async close(): Promise<void> {
    this.#cancel();
    if (this.#underWay > 0) await new Promise<void>((resolve) => this.#settled.push(resolve));
  }

  #publish(name: string, testament: Testament): void {
    const { office, log } = this.#options;
    const message = createMessage(testament.will);
    office.complete(message, testament.id);
    if (message.qos === 0) {
      office.publish(message);
      return this.#clear(name);
    }
    this.#underWay++;
    office.deliver(message, (error) => {
      if (error === undefined) this.#clear(name);
      else {
        log.warn("will cannot be published yet", { id: testament.id, error });
        this.#due.set(name, testament);
      }
      if (--this.#underWay === 0) for (const resolve of this.#settled.splice(0)) resolve();
    });
  }

  #void(name: string): void {
    this.#left.delete(name);
    this.#clear(name);
  }

  #clear(name: string, done?: () => void): void {
    const { office } = this.#options;
    office.deliver(this.#record(name, { qos: 1, payload: null }), (error) => {
      if (error !== undefined) office.publish(this.#record(name, { qos: 0, payload: null })); // goes there as soon as it takes messages again
      done?.();
    });
  }

  /** What is said about a will in the journal; null forgets it. */
  #record(name: string, { qos, payload }: { readonly qos: Qos; readonly payload: Testament | { readonly id: string; readonly will: object } | null }): Message {
    const message = new Message(willType, name, "server", "", 0, qos, true, undefined, payload); // not createMessage(): nobody else may say this type
    this.#options.office.complete(message, name);
    return message;
  }
}

function testamentOf(payload: Envelope["payload"]): Testament {
  const { id, will } = payload as Testament;
  return { id, will: { ...will, payload: parsePayload(will.payload) } };
}
