import { BusbarError, createMinter, errorText, type Bus, type Clock, type Counter, type Log, type Message, type Metrics, type WriteGuard } from "@busbar/core";
import type { IPublishPacket, ISubscription } from "mqtt-packet";
import type { BrokerSession } from "./broker-session.ts";
import type { Arrival } from "./session-options.ts";
import type { InEntry, MqttConfig } from "./config.ts";
import { incomingMessage } from "./incoming-message.ts";
import { endedBy, reasonText } from "./reason-code.ts";

/** What receives. */
export interface IngressOptions {
  readonly config: MqttConfig;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Stands before every command. */
  readonly writes: WriteGuard;
  readonly signal: AbortSignal;
  readonly instance: string;
  /** The tag of this bridge (see origin.ts). */
  readonly tag: () => string;
}

/** Takes what the broker sends onto the bus. A message of QoS 1 or 2 is acknowledged once the journal has it. */
export class Ingress {
  readonly #options: IngressOptions;
  readonly #received: Counter;
  readonly #refused: Counter;
  readonly #echo: Counter;
  readonly #mint = createMinter();
  /** For the sessions of one broker session, one after the other (see SessionOptions). */
  readonly unreleased = new Set<number>();

  constructor(options: IngressOptions) {
    const { metrics, instance } = options;
    this.#options = options;
    this.#received = metrics.counter("busbar_mqtt_received_total", "Messages of the upstream broker that are on the bus, those of QoS 1 and 2 in the journal", { instance });
    this.#refused = metrics.counter("busbar_mqtt_refused_total", "Messages of the upstream broker that make no envelope", { instance });
    this.#echo = metrics.counter("busbar_mqtt_echo_total", "Messages of the upstream broker that this gateway had sent itself", { instance });
  }

  /** Subscribes to all that the config names. @throws {BusbarError} UNAVAILABLE when the broker does not grant one of them. */
  async subscribe(session: BrokerSession): Promise<void> {
    const subscriptions = this.#options.config.in.flatMap((entry) => entry.topics.map((topic) => subscriptionOf(topic, entry, this.#options.config.protocolVersion)));
    const answer = await Promise.race([session.subscribe(subscriptions), session.ended]);
    if ("error" in answer) throw answer.error;
    for (const [at, code] of answer.entries()) {
      if (code < 0x80) continue;
      const error = new BusbarError("UNAVAILABLE", `the broker does not grant the subscription to ${JSON.stringify(subscriptions[at]?.topic)}: ${reasonText(code)}`);
      session.close(endedBy(error));
      throw error;
    }
  }

  /** Takes one message. `session` is the one that it came by. */
  take(packet: IPublishPacket, arrival: Arrival | undefined, session: BrokerSession): void {
    const message = this.#read(packet, arrival, session);
    if (message === undefined) return;
    const { bus } = this.#options;
    if (arrival === undefined) {
      this.#received.value++;
      if (!bus.publish(message)) session.pause(bus.ready(this.#options.signal));
      return;
    }
    bus.deliver(message).then(
      () => {
        this.#received.value++;
        session.acknowledge(arrival, 0);
      },
      (error: unknown) => this.#notStored(error, packet, session),
    );
  }

  #read(packet: IPublishPacket, arrival: Arrival | undefined, session: BrokerSession): Message | undefined {
    const { config, clock, instance, tag, log, writes } = this.#options;
    try {
      const message = incomingMessage(packet, { entries: config.in, instance, tag: tag(), mint: this.#mint, now: clock.now() });
      if (message?.type === "command") writes.check({ target: message.to, id: message.from, topic: message.topic || packet.topic, msgid: message.msgid });
      if (message !== undefined) return message;
      this.#echo.value++;
      if (arrival !== undefined) session.acknowledge(arrival, 0);
    } catch (error) {
      if (!(error instanceof BusbarError)) throw error;
      this.#refused.value++;
      log.warn("message of the broker refused", { topic: packet.topic.slice(0, 256), reason: error.message });
      if (arrival !== undefined) session.acknowledge(arrival, config.protocolVersion === 5 ? 0x99 : 0);
    }
    return undefined;
  }

  /** The journal is full or fails. The broker has the message still: it sends it again, and what came after it too, to the next connection, which comes after a pause. */
  #notStored(error: unknown, packet: IPublishPacket, session: BrokerSession): void {
    this.#options.log.warn("message of the broker cannot be stored; the broker keeps it", { topic: packet.topic.slice(0, 256), error });
    session.close(endedBy(new BusbarError("UNAVAILABLE", `the journal does not take messages: ${errorText(error)}`, { cause: error })));
  }
}

/** With MQTT 5 retained values come once per subscription, not at each connection (Retain Handling 1), and keep their flag (MQTT 5.0 §3.8.3.1). */
function subscriptionOf(topic: string, { qos }: InEntry, version: 4 | 5): ISubscription {
  return version === 5 ? { topic, qos, nl: false, rap: true, rh: 1 } : { topic, qos };
}
