import type { Message, Qos } from "@busbar/core";

/** A delivery of QoS 1 or 2 that the client has not acknowledged whole. */
export interface Flight {
  readonly id: number;
  readonly offset: number;
  readonly msgid: string;
  readonly qos: Qos;
  /** Whether it is a command to the client itself. */
  readonly command: boolean;
  /** QoS 2: the client has it, PUBREL is what it is sent from now on (MQTT 3.1.1 §4.3.3). */
  released: boolean;
}

/** The packet ids of one connection's deliveries (MQTT 3.1.1 §2.3.1), by the message's place in the journal: what is sent again keeps its packet id. */
export class Outgoing {
  readonly #byId = new Map<number, Flight>();
  readonly #byOffset = new Map<number, Flight>();
  #last = 0;

  /** The one under way for that offset. */
  find(offset: number): Flight | undefined {
    return this.#byOffset.get(offset);
  }

  /** A new one; undefined when all 65,535 packet ids are under way. */
  begin(message: Message, { offset, qos, command }: Pick<Flight, "offset" | "qos" | "command">): Flight | undefined {
    if (this.#byId.size === 0xffff) return undefined;
    do this.#last = (this.#last % 0xffff) + 1;
    while (this.#byId.has(this.#last));
    const flight: Flight = { id: this.#last, offset, msgid: message.msgid, qos, command, released: false };
    this.#byId.set(flight.id, flight);
    this.#byOffset.set(offset, flight);
    return flight;
  }

  get(id: number): Flight | undefined {
    return this.#byId.get(id);
  }

  /** It is done: its packet id is free again. */
  end({ id, offset }: Flight): void {
    this.#byId.delete(id);
    this.#byOffset.delete(offset);
  }
}
