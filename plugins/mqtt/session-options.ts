import type { Clock } from "@busbar/core";
import type { IPublishPacket } from "mqtt-packet";
import type { BrokerSession } from "./broker-session.ts";

/** What a session is made with. */
export interface SessionOptions {
  readonly clock: Clock;
  readonly version: 4 | 5;
  readonly clientId: string;
  /** Whether the broker forgets the session of an earlier connection (Clean Start, MQTT 5.0 §3.1.2.4). */
  readonly clean: boolean;
  /** Seconds that the broker keeps the session after the connection; MQTT 5 only. */
  readonly sessionExpiry: number;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Milliseconds. */
  readonly keepalive: number;
  /** Milliseconds. */
  readonly ackTimeout: number;
  /** Messages that the broker may send before the first one is acknowledged; MQTT 5 only. */
  readonly receive: number;
  /** Bytes of the longest packet taken. */
  readonly maxReceive: number;
  /** Takes each message of the broker. An `arrival` is acknowledged by `acknowledge`. */
  readonly onMessage?: ((packet: IPublishPacket, arrival: Arrival | undefined, session: BrokerSession) => void) | undefined;
  /** Packet ids of messages of QoS 2 that were taken and not released yet: belongs to the broker's session, so it outlives the connection (MQTT 5.0 §4.3.3). */
  readonly unreleased?: Set<number> | undefined;
}

/** How a session is opened, and how long that may take. */
export interface OpenOptions extends SessionOptions {
  /** Milliseconds. */
  readonly connectTimeout: number;
  /** What has to be done before the session is of use. Settles when the session ends. */
  readonly prepare?: ((session: BrokerSession) => Promise<void>) | undefined;
}

/** A message of QoS 1 or 2 that came and is not acknowledged yet. */
export interface Arrival {
  readonly id: number;
  readonly qos: 1 | 2;
  /** Reason code of the acknowledgement, once it is known. */
  code: number | undefined;
}

/** Who wants to know what became of its publishes. */
export interface Sender {
  /** The broker answered the publish `token` with this reason code; 0 for a QoS 0 one that is handed to the network. */
  answered(token: number, code: number): void;
  /** The connection ended; what is not settled will not be. */
  ended(): void;
}

/** What the broker takes, from its CONNACK (MQTT 5.0 §3.2.2.3). */
export interface BrokerLimits {
  readonly receiveMaximum: number;
  readonly maximumQos: 0 | 1 | 2;
  readonly maximumPacketSize: number;
  readonly retain: boolean;
}

/** A message to be published; the session puts in the packet id. */
export type Publication = Pick<IPublishPacket, "topic" | "payload" | "qos" | "retain" | "properties">;
