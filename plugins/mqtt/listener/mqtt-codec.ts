import { BusbarError, CloseCode, createMinter, isPattern, matches, speaksFor, type Codec, type CodecFactory, type DeliveryTerms, type ErrorFrame, type Frame, type Message } from "@busbar/core";
import { Incoming } from "./incoming.ts";
import { Outgoing, type Flight } from "./outgoing.ts";
import { PublishCache } from "./publish-cache.ts";
import { readPacket, type ConnectPacket, type PublishPacket } from "./read-packet.ts";
import { Requests } from "./requests.ts";
import { messageOf, placeOf } from "./topic-place.ts";
import { writeAck, writeConnack, writeConnack5, writePingresp } from "./write-packet.ts";

/** Bytes of the longest client id; the standard asks for 23 (MQTT 3.1.1 §3.1.3.1). */
const longestClientId = 256;
/** The password is a token: UTF-8. What is not makes one that nobody has. */
const utf8 = new TextDecoder();

/** Makes the codecs of a listener's connections, which share what is encoded for all of them. */
export function createMqttCodec(): CodecFactory {
  const cache = new PublishCache();
  const mint = createMinter();
  return { name: "mqtt", session: true, create: () => new MqttCodec(cache, mint) };
}

/** One client of MQTT 3.1.1: its packets are the frames of a session, and the other way round (WIRE §5). What a packet id stands for is remembered here, for this connection. */
class MqttCodec implements Codec {
  readonly #cache: PublishCache;
  readonly #mint: () => string;
  readonly #incoming = new Incoming();
  readonly #outgoing = new Outgoing();
  readonly #requests = new Requests();
  /** The client's CONNECT, once it has come. */
  #connect: ConnectPacket | undefined;
  #accepted = false;
  /** Who it is: what it says in CONNECT, until the session knows better; empty = unknown. */
  #id = "";
  /** A will that was refused, or a publication that `decode` has: the error that the session says is about that. */
  #known = false;
  #fatal = false;

  constructor(cache: PublishCache, mint: () => string) {
    this.#cache = cache;
    this.#mint = mint;
  }

  /** One and a half times what it promised (MQTT 3.1.1 §3.1.2.10). */
  get silence(): number {
    return (this.#connect?.keepAlive ?? 0) * 1500;
  }

  decode(bytes: Uint8Array, start: number, end: number): Frame | readonly Frame[] {
    const packet = readPacket(bytes, start, end);
    if (this.#connect === undefined) return packet.kind === "connect" ? this.#hello(packet) : broken("the first packet is not CONNECT");
    switch (packet.kind) {
      case "publish":
        return this.#publish(packet, bytes);
      case "puback":
        return this.#acknowledged(packet.id, 1);
      case "pubrec":
        return this.#received(packet.id);
      case "pubcomp":
        return this.#acknowledged(packet.id, 2);
      case "pubrel":
        return { kind: "reply", bytes: this.#incoming.release(packet.id) };
      case "subscribe": {
        const filters = packet.filters.map(({ topic, qos }) => ({ topic, qos, sayable: isPattern(topic) }));
        const answer = this.#requests.subscribe(packet.id, filters);
        return answer ? { kind: "reply", bytes: answer } : filters.flatMap(({ topic, qos, sayable }) => (sayable ? [{ kind: "subscribe" as const, topic, qos }] : []));
      }
      case "unsubscribe":
        this.#requests.unsubscribe(packet.id, packet.topics.length);
        return packet.topics.map((topic) => ({ kind: "unsubscribe" as const, topic }));
      case "pingreq":
        return { kind: "ping" };
      case "disconnect":
        return { kind: "disconnect" };
      default:
        return broken("a second CONNECT");
    }
  }

  encode(frame: Exclude<Frame, Message>): Uint8Array | undefined {
    switch (frame.kind) {
      case "auth_response":
        this.#accepted = true;
        this.#id = frame.id ?? this.#id;
        return writeConnack(0);
      case "ack":
        return this.#incoming.stored(frame.msgid);
      case "subscribed":
        return this.#requests.subscribed(true);
      case "unsubscribed":
        return this.#requests.unsubscribed();
      case "pong":
        return writePingresp();
      case "error":
        return this.#refused(frame);
      default:
        return undefined;
    }
  }

  encodeMessage(message: Message, offset: number | undefined, terms?: DeliveryTerms): Uint8Array | undefined {
    if (terms === undefined) return undefined; // nobody has subscribed to it
    const qos = Math.min(message.qos, terms.qos) as 0 | 1 | 2;
    const retain = terms.kept === true;
    const command = message.type === "command" && !matches(terms.topic, message.topic); // to all, to a group: it is a command to the client itself
    const topic = command ? `command/${this.#id}` : message.topic;
    if (qos === 0 || offset === undefined) return command ? this.#cache.write(message, { topic, qos: 0, id: 0, dup: false, retain }) : this.#cache.plain(message, retain);
    let flight = this.#outgoing.find(offset);
    if (flight?.released) return writeAck("pubrel", flight.id);
    const dup = flight !== undefined;
    flight ??= this.#outgoing.begin(message, { offset, qos, command: command || (message.type === "command" && speaksFor(this.#id, message.to)) });
    return flight && this.#cache.write(message, { topic, qos: flight.qos, id: flight.id, dup, retain });
  }

  isFatal(_error: ErrorFrame): boolean {
    return this.#fatal;
  }

  farewell(code: CloseCode): Uint8Array | undefined {
    if (this.#accepted || this.#connect === undefined) return undefined;
    if (code === CloseCode.authFailed) return writeConnack(this.#connect.password && !this.#known ? 4 : 5);
    return code === CloseCode.shuttingDown || code === CloseCode.full ? writeConnack(3) : undefined;
  }

  #hello(packet: ConnectPacket): Frame | readonly Frame[] {
    this.#connect = packet;
    const { version, clientId, clean, username = "", password, will } = packet;
    if (version !== 4) return this.#turnAway(version === 5 ? writeConnack5() : writeConnack(1));
    if ((clientId === "" && !clean) || Buffer.byteLength(clientId) > longestClientId) return this.#turnAway(writeConnack(2));
    this.#id = username;
    const auth = { kind: "auth" as const, deviceId: username, token: password ? utf8.decode(password) : "", ...(clientId !== "" && { client: clientId }) };
    if (will === undefined) return auth;
    if (/[+#]/.test(will.topic)) return broken("the will's topic has a wildcard in it");
    const place = username === "" ? undefined : placeOf(will.topic, username);
    if (place === undefined) return this.#turnAway(writeConnack(5));
    return { ...auth, will: messageOf(place, { ...will, msgid: "", bytes: will.payload, start: 0, end: will.payload.length }) };
  }

  /** Says no, and ends the connection. */
  #turnAway(connack: Uint8Array): readonly Frame[] {
    this.#accepted = true; // nothing more is to be said
    return [{ kind: "reply", bytes: connack }, { kind: "disconnect" }];
  }

  #publish(packet: PublishPacket, bytes: Uint8Array): Frame | readonly Frame[] {
    const { topic, qos, retain, start, end } = packet;
    if (/[+#]/.test(topic)) broken("the topic of a publication has a wildcard in it (§3.3.2.1)");
    if (this.#id === "") broken("a publication before CONNACK from a client that has not said its user name");
    const place = placeOf(topic, this.#id);
    if (place === undefined) {
      if (qos > 0) broken(`the topic ${JSON.stringify(topic.slice(0, 80))} is none of an envelope, and there is no word for no`);
      this.#known = true;
      throw new BusbarError("BAD_FRAME", `Cannot use ${JSON.stringify(topic.slice(0, 80))} as the topic of a publication: it is not <type>/<id>`);
    }
    const msgid = this.#mint();
    if (qos > 0) {
      const known = this.#incoming.take(packet, msgid);
      if (known) return known.again ? { kind: "reply", bytes: known.again } : [];
    }
    return messageOf(place, { qos, retain, msgid, bytes, start, end });
  }

  /** PUBACK or PUBCOMP. That the client has a command is its answer: MQTT 3.1.1 has no other. */
  #acknowledged(id: number, qos: 1 | 2): Frame | readonly Frame[] {
    const flight = this.#flightOf(id, qos);
    if (flight === undefined) return [];
    this.#outgoing.end(flight);
    const { msgid, offset, command } = flight;
    return { kind: "ack", msgid, offset, ...(command && { status: "ok" as const }) };
  }

  #received(id: number): Frame | readonly Frame[] {
    const flight = this.#flightOf(id, 2);
    if (flight) flight.released = true;
    return { kind: "reply", bytes: writeAck("pubrel", id) };
  }

  /** Undefined when it is acknowledged already. */
  #flightOf(id: number, qos: 1 | 2): Flight | undefined {
    const flight = this.#outgoing.get(id);
    return flight === undefined || flight.qos === qos ? flight : broken(`packet id ${id} is of QoS ${flight.qos} and is acknowledged as one of QoS ${qos}`);
  }

  /** MQTT 3.1.1 says no to a filter and to a CONNECT; else it can but end the connection, as an acknowledgement would be a lie (§3.3.5). A publication of QoS 0 that is refused is dropped. */
  #refused({ msgid }: ErrorFrame): Uint8Array | undefined {
    this.#fatal = false;
    if (!this.#accepted) {
      this.#known = true; // its will
      return undefined;
    }
    if (msgid !== undefined) this.#fatal = this.#incoming.awaits(msgid);
    else if (this.#known) this.#known = false;
    else if (this.#requests.asks) return this.#requests.subscribed(false);
    else this.#fatal = true; // a subscription that had been granted
    return undefined;
  }
}

function broken(what: string): never {
  throw new SyntaxError(`Cannot go on with MQTT: ${what}`);
}
