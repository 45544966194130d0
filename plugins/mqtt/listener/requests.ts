import type { Qos } from "@busbar/core";
import { writeAck, writeSuback } from "./write-packet.ts";

const refused = 0x80;
/** The session has not answered yet. */
const open = -1;

interface Asked {
  readonly id: number;
  /** What each filter asks for. */
  readonly wanted: readonly Qos[];
  /** What it is granted, or `open`. */
  readonly codes: number[];
}

/** The SUBSCRIBE and UNSUBSCRIBE packets of one client that the session has not answered whole: it answers filter by filter, in order; the client gets one packet (MQTT 3.1.1 §3.9, §3.11). */
export class Requests {
  #subscribing: Asked[] = [];
  #unsubscribing: { readonly id: number; left: number }[] = [];

  /** A SUBSCRIBE; `sayable`: which of its filters the session is asked for, the others are refused. Returns the answer when there is nothing to ask. */
  subscribe(id: number, filters: readonly { readonly qos: Qos; readonly sayable: boolean }[]): Uint8Array | undefined {
    const codes = filters.map(({ sayable }) => (sayable ? open : refused));
    if (!codes.includes(open)) return writeSuback(id, codes);
    this.#subscribing.push({ id, wanted: filters.map(({ qos }) => qos), codes });
    return undefined;
  }

  unsubscribe(id: number, count: number): void {
    this.#unsubscribing.push({ id, left: count });
  }

  /** Whether the session has still to answer a filter. */
  get asks(): boolean {
    return this.#subscribing.length > 0;
  }

  /** The session has answered the next filter. Returns SUBACK after the last one. */
  subscribed(granted: boolean): Uint8Array | undefined {
    const first = this.#subscribing[0];
    if (first === undefined) return undefined;
    const at = first.codes.indexOf(open);
    first.codes[at] = granted ? first.wanted[at]! : refused;
    if (first.codes.includes(open, at)) return undefined;
    this.#subscribing.shift();
    return writeSuback(first.id, first.codes);
  }

  unsubscribed(): Uint8Array | undefined {
    const first = this.#unsubscribing[0];
    if (first === undefined || --first.left > 0) return undefined;
    this.#unsubscribing.shift();
    return writeAck("unsuback", first.id);
  }
}
