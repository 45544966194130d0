import type { Duplex } from "node:stream";
import { BusbarError } from "@busbar/core";
import type { IConnackPacket, IPublishPacket, ISubscription, Packet } from "mqtt-packet";
import { PacketStream } from "./packet-stream.ts";
import { connackText, blamesMessage, endedBy, reasonText, type SessionEnd } from "./reason-code.ts";
import type { Arrival, BrokerLimits, OpenOptions, Publication, Sender, SessionOptions } from "./session-options.ts";

interface Outgoing {
  readonly token: number;
  readonly sender: Sender;
  readonly qos: 1 | 2;
  /** Milliseconds since the Unix epoch: when the broker was last sent something about it. */
  readonly since: number;
  readonly released: boolean;
}

/**
 * One connection to a broker from CONNECT to its end: MQTT 5.0 and 3.1.1 as a client. It never sends anything a second time and forgets with the connection what was on its way:
 * whoever publishes has the journal to send from again. What the broker sends is acknowledged in the order in which it came (MQTT 5.0 §4.6), each once its receiver says so, many at a time.
 */
export class BrokerSession {
  /** Resolves once, when the connection has ended. */
  readonly ended: Promise<SessionEnd>;
  /** Whether anything was acknowledged, by either side. */
  useful = false;
  readonly #options: SessionOptions;
  readonly #packets: PacketStream;
  readonly #outgoing = new Map<number, Outgoing>();
  readonly #arrivals: Arrival[] = [];
  readonly #senders = new Set<Sender>();
  readonly #subscribes = new Map<number, (codes: readonly number[]) => void>();
  readonly #stopWatch: () => void;
  readonly #resolveEnd: (end: SessionEnd) => void;
  #welcomed: (() => void) | undefined;
  #release: (() => void) | undefined;
  #drained: (() => void) | undefined;
  #end: SessionEnd | undefined;
  #limits: BrokerLimits = { receiveMaximum: 65_535, maximumQos: 2, maximumPacketSize: 268_435_460, retain: true };
  #keepalive: number;
  #nextId = 1;
  #pinged = 0;
  #nudges = 0;
  #present = false;

  private constructor(stream: Duplex, options: SessionOptions) {
    const { clock, version, maxReceive, keepalive, ackTimeout } = options;
    const { promise, resolve } = Promise.withResolvers<SessionEnd>();
    this.ended = promise;
    this.#resolveEnd = resolve;
    this.#options = options;
    this.#keepalive = keepalive;
    this.#packets = new PacketStream(stream, { clock, version, maxReceive, onPacket: (packet) => this.#take(packet), onRead: () => this.#nudge(), onEnd: (end) => this.close(end) });
    this.#stopWatch = clock.every(Math.max(10, Math.min(250, ackTimeout / 4)), () => this.#watch());
  }

  /**
   * Opens a session on a stream, which it owns from then on. Resolves after a CONNACK that says yes and after `prepare`, both within `connectTimeout` ms.
   * @throws {BusbarError} UNAVAILABLE saying why the broker cannot be reached or says no; TIMEOUT; CLOSED when the signal aborts first.
   */
  static async open(stream: Duplex, options: OpenOptions, signal: AbortSignal): Promise<BrokerSession> {
    const session = new BrokerSession(stream, options);
    const giveUp = (): void => session.close(endedBy(new BusbarError("CLOSED", "the connection is no longer wanted", { cause: signal.reason })));
    if (signal.aborted) giveUp();
    signal.addEventListener("abort", giveUp, { once: true });
    const cancel = options.clock.after(options.connectTimeout, () => session.close(endedBy(new BusbarError("TIMEOUT", `not connected within ${options.connectTimeout} ms`))));
    try {
      const end = await Promise.race([session.#connect(), session.ended]);
      if (end) throw end.error;
      await options.prepare?.(session);
      return session;
    } finally {
      cancel();
      signal.removeEventListener("abort", giveUp);
    }
  }

  /** Whether the broker still had the session of an earlier connection. */
  get present(): boolean {
    return this.#present;
  }

  get limits(): BrokerLimits {
    return this.#limits;
  }

  get open(): boolean {
    return this.#end === undefined;
  }

  /** Publishes. The sender is told what became of it under `token`, unless the connection ends first. Returns false when the packet is longer than `longest` bytes: nothing was sent. */
  publish(publication: Publication, { token, sender, longest }: { readonly token: number; readonly sender: Sender; readonly longest: number }): boolean {
    const { qos } = publication;
    const id = qos === 0 ? undefined : this.#allocate();
    const bytes = this.#packets.encode({ cmd: "publish", dup: false, ...publication, ...(id === undefined ? {} : { messageId: id }) });
    if (bytes.length > longest) return false;
    if (id === undefined) this.#packets.send(bytes, () => sender.answered(token, 0));
    else {
      this.#outgoing.set(id, { token, sender, qos: qos as 1 | 2, since: this.#options.clock.now(), released: false });
      this.#nudges = 0;
      this.#packets.send(bytes);
    }
    return true;
  }

  /** Tells `sender` when the connection ends. Returns the function that undoes it. */
  attach(sender: Sender): () => void {
    this.#senders.add(sender);
    if (this.#end) sender.ended();
    return () => void this.#senders.delete(sender);
  }

  /** Subscribes; resolves with a reason code for each (MQTT 5.0 §3.9.3). Never settles when the connection ends first. */
  subscribe(subscriptions: readonly ISubscription[]): Promise<readonly number[]> {
    const messageId = this.#allocate();
    return new Promise((resolve) => {
      this.#subscribes.set(messageId, resolve);
      this.#packets.write({ cmd: "subscribe", messageId, subscriptions: [...subscriptions] });
    });
  }

  /** Acknowledges a message of the broker. It goes out once those that came before it are acknowledged too. */
  acknowledge(arrival: Arrival, code: number): void {
    arrival.code = code;
    if (arrival.qos === 2 && code < 0x80) this.#options.unreleased?.add(arrival.id);
    if (this.#end) return;
    this.useful = true;
    for (let first = this.#arrivals[0]; first?.code !== undefined; first = this.#arrivals[0]) {
      this.#answer(first.qos === 1 ? "puback" : "pubrec", first.id, first.code);
      this.#arrivals.shift();
    }
    if (this.#arrivals.length < this.#options.receive) this.#release?.();
    if (this.#arrivals.length === 0) this.#drained?.();
  }

  /** Reads nothing until the promise settles. */
  pause(until: Promise<void>): void {
    const release = this.#packets.hold();
    until.then(release, release);
  }

  /** Takes nothing more. Resolves when everything that came is acknowledged, or the connection has ended. */
  drain(): Promise<void> {
    if (this.#end || this.#arrivals.length === 0) return Promise.resolve();
    this.#packets.hold();
    return new Promise((resolve) => (this.#drained = resolve));
  }

  /** Says goodbye and ends: the broker forgets a will and knows that this was meant. Resolves when the connection is closed. */
  async disconnect(): Promise<void> {
    if (this.#end) return;
    this.#packets.write({ cmd: "disconnect", ...(this.#options.version === 5 ? { reasonCode: 0 } : {}) } as Packet);
    const closed = this.#packets.end();
    this.#finish(endedBy(new BusbarError("CLOSED", "disconnected")));
    await closed;
  }

  /** Ends the connection without a word. What is on its way stays unsettled. */
  close(end: SessionEnd): void {
    if (this.#end) return;
    this.#packets.destroy();
    this.#finish(end);
  }

  #finish(end: SessionEnd): void {
    this.#end = end;
    this.#stopWatch();
    this.#drained?.();
    for (const sender of [...this.#senders]) sender.ended();
    this.#resolveEnd(end);
  }

  #connect(): Promise<void> {
    const { version, clientId, clean, sessionExpiry, username, password, receive, maxReceive, keepalive } = this.#options;
    const properties = version === 5 ? { properties: { sessionExpiryInterval: sessionExpiry, receiveMaximum: receive, maximumPacketSize: maxReceive } } : {};
    this.#packets.write({
      cmd: "connect", protocolId: "MQTT", protocolVersion: version, clean, clientId, keepalive: Math.ceil(keepalive / 1000), ...properties,
      ...(username === undefined ? {} : { username }), ...(password === undefined ? {} : { password: Buffer.from(password) }),
    });
    return new Promise((resolve) => (this.#welcomed = resolve));
  }

  #welcome({ reasonCode, returnCode, sessionPresent, properties: given }: IConnackPacket): void {
    const code = reasonCode ?? returnCode ?? 0;
    if (code !== 0) return this.close(endedBy(new BusbarError("UNAVAILABLE", `the broker refused the connection: ${connackText(code, given?.reasonString)}`)));
    this.#present = sessionPresent;
    if (!sessionPresent) this.#options.unreleased?.clear();
    if (given?.serverKeepAlive !== undefined) this.#keepalive = given.serverKeepAlive * 1000;
    this.#limits = {
      receiveMaximum: given?.receiveMaximum ?? 65_535,
      maximumQos: (given?.maximumQoS ?? 2) as 0 | 1 | 2,
      maximumPacketSize: given?.maximumPacketSize ?? 268_435_460,
      retain: given?.retainAvailable ?? true,
    };
    this.#welcomed?.();
    this.#welcomed = undefined;
  }

  #take(packet: Packet): void {
    if (this.#welcomed) return packet.cmd === "connack" ? this.#welcome(packet) : this.#violated(`${packet.cmd} before CONNACK`);
    switch (packet.cmd) {
      case "puback":
      case "pubrec":
      case "pubcomp":
        return this.#acknowledged(packet.cmd, packet.messageId!, packet.reasonCode ?? 0);
      case "publish":
        return this.#arrived(packet);
      case "pubrel":
        return this.#answer("pubcomp", packet.messageId!, this.#options.unreleased?.delete(packet.messageId!) ? 0 : 0x92);
      case "suback":
        this.#subscribes.get(packet.messageId!)?.(packet.granted as number[]);
        return void this.#subscribes.delete(packet.messageId!);
      case "pingresp":
        return;
      case "disconnect": {
        const code = packet.reasonCode ?? 0;
        return this.close(endedBy(new BusbarError("UNAVAILABLE", `the broker closed the connection: ${reasonText(code, packet.properties?.reasonString)}`), blamesMessage(code) ? "blamed" : "innocent"));
      }
      default:
        this.#violated(`${packet.cmd}, which it never sends`);
    }
  }

  #acknowledged(cmd: "puback" | "pubrec" | "pubcomp", id: number, code: number): void {
    const one = this.#outgoing.get(id);
    if (one === undefined) return this.#violated(`${cmd} for packet id ${id}, which is not in use`);
    if (cmd !== (one.qos === 1 ? "puback" : one.released ? "pubcomp" : "pubrec")) return this.#violated(`${cmd} for a publish of QoS ${one.qos}`);
    this.useful = true;
    this.#nudges = 0;
    this.#outgoing.delete(id);
    if (cmd === "pubrec" && code < 0x80) {
      this.#outgoing.set(id, { ...one, released: true, since: this.#options.clock.now() }); // last again: the watch looks at the first one only
      return this.#packets.write({ cmd: "pubrel", messageId: id } as Packet);
    }
    one.sender.answered(one.token, cmd === "pubcomp" ? 0 : code); // 0x92 in a PUBCOMP: the broker has released it already
  }

  #arrived(packet: IPublishPacket): void {
    const { qos, messageId, topic } = packet;
    const { onMessage, receive, unreleased, version } = this.#options;
    if (topic === "") return this.#violated("a publish without a topic, though no topic alias was agreed on");
    if (qos === 0) return onMessage?.(packet, undefined, this);
    if (version === 5 && this.#arrivals.length >= receive) return this.#violated(`more than ${receive} messages at once (receive)`);
    const arrival: Arrival = { id: messageId!, qos, code: undefined };
    if (this.#arrivals.push(arrival) >= receive && version === 4) this.#release ??= this.#hold();
    if (qos === 2 && unreleased?.has(messageId!)) this.acknowledge(arrival, 0);
    else onMessage?.(packet, arrival, this);
  }

  #hold(): () => void {
    const release = this.#packets.hold();
    return () => {
      this.#release = undefined;
      release();
    };
  }

  #answer(cmd: "puback" | "pubrec" | "pubcomp", messageId: number, code: number): void {
    this.#packets.write({ cmd, messageId, ...(this.#options.version === 5 ? { reasonCode: code } : {}) } as Packet);
  }

  /**
   * A broker that has Nagle's algorithm on, as Mosquitto has, holds back acknowledgements until the segment with the first ones is acknowledged, which the system delays by 40 ms unless there is
   * something to send (RFC 1122 §4.2.3.2, §4.2.3.4): every batch would take that long. So where something came, acknowledgements are awaited, and nothing else is to be sent, a ping is: twice
   * without an acknowledgement in between, as the answer to a ping may be what was held back first.
   */
  #nudge(): void {
    if (this.#nudges >= 2 || this.#outgoing.size === 0 || !this.#packets.idle) return;
    this.#nudges++;
    this.#packets.write({ cmd: "pingreq" });
  }

  #violated(what: string): void {
    this.close(endedBy(new BusbarError("UNAVAILABLE", `the broker broke the protocol: ${what}`)));
  }

  #watch(): void {
    const { clock, ackTimeout } = this.#options;
    const now = clock.now();
    const [oldest] = this.#outgoing.values();
    if (oldest !== undefined && now - oldest.since >= ackTimeout) return this.close(endedBy(new BusbarError("TIMEOUT", `the broker has not acknowledged a publish within ${ackTimeout} ms`)));
    if (this.#keepalive === 0 || this.#welcomed || this.#packets.held) return;
    const { lastSent, lastReceived } = this.#packets;
    if (this.#pinged > lastReceived) {
      const patience = Math.min(this.#keepalive, 30_000);
      if (now - this.#pinged >= patience) this.close(endedBy(new BusbarError("TIMEOUT", `the broker has not answered a ping within ${patience} ms`)));
    } else if (now - Math.min(lastSent, lastReceived) >= this.#keepalive * 0.75) {
      this.#pinged = now;
      this.#packets.write({ cmd: "pingreq" });
    }
  }

  /** A packet id that is not in use: 1 to 65,535 (MQTT 5.0 §2.2.1). */
  #allocate(): number {
    while (this.#outgoing.has(this.#nextId) || this.#subscribes.has(this.#nextId)) this.#nextId = (this.#nextId % 65_535) + 1;
    const id = this.#nextId;
    this.#nextId = (id % 65_535) + 1;
    return id;
  }
}
