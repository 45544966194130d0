import type { PublishPacket } from "./read-packet.ts";
import { writeAck } from "./write-packet.ts";

/** Publications of one client that may be under way at once: MQTT 3.1.1 lets it have 65,535, and an honest one has a few. */
const most = 10_000;

/** The publications of QoS 1 and 2 that one client has under way, by packet id: those that are on their way to the journal, and those of QoS 2 that it has not released (MQTT 3.1.1 §4.3). */
export class Incoming {
  /** On their way to the journal: msgid by packet id, and the other way round. */
  readonly #storing = new Map<number, string>();
  readonly #byMsgid = new Map<string, { readonly id: number; readonly qos: number }>();
  /** QoS 2: stored, and PUBREL has not come. */
  readonly #stored = new Set<number>();

  /**
   * Whether it is new, and to be stored under that msgid; else what the client is to be told again, if anything.
   * @throws {SyntaxError} when the packet id is in use for another one, or too many are under way.
   */
  take({ id, qos, dup }: PublishPacket, msgid: string): { readonly again: Uint8Array | undefined } | undefined {
    if (qos === 2 && this.#stored.has(id)) return { again: writeAck("pubrec", id) };
    if (this.#storing.has(id)) {
      if (!dup) throw new SyntaxError(`Cannot take a publication with packet id ${id}: it is in use (MQTT 3.1.1 §2.3.1)`);
      return { again: undefined };
    }
    if (this.#storing.size + this.#stored.size >= most) throw new SyntaxError(`Cannot take a publication: ${most} are under way`);
    this.#storing.set(id, msgid);
    this.#byMsgid.set(msgid, { id, qos });
    return undefined;
  }

  /** The journal has it. Returns the client's acknowledgement. */
  stored(msgid: string): Uint8Array | undefined {
    const known = this.#byMsgid.get(msgid);
    if (known === undefined) return undefined;
    this.#byMsgid.delete(msgid);
    this.#storing.delete(known.id);
    if (known.qos === 2) this.#stored.add(known.id);
    return writeAck(known.qos === 2 ? "pubrec" : "puback", known.id);
  }

  /** Whether that one waits for its acknowledgement. */
  awaits(msgid: string): boolean {
    return this.#byMsgid.has(msgid);
  }

  /** The client releases a packet id: it will not send that publication again. Returns PUBCOMP, which also answers one that is not known (§4.3.3). */
  release(id: number): Uint8Array {
    this.#stored.delete(id);
    return writeAck("pubcomp", id);
  }
}
