import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import mqttPacket, { type IConnackPacket, type IConnectPacket, type IPublishPacket, type ISubscribePacket, type Packet } from "mqtt-packet";

/** One client of the broker. */
export interface Peer {
  readonly socket: Socket;
  readonly connect: IConnectPacket;
  /** Publishes of this connection so far. */
  readonly published: IPublishPacket[];
  /** Packets that the client sent, without publishes. */
  readonly packets: Packet[];
  send(packet: Packet): void;
  /** Acknowledges a publish. */
  ack(packet: IPublishPacket, reasonCode?: number): void;
}

/** How a broker behaves where it does not behave well. */
export interface Behaviour {
  /** What the CONNACK says; undefined = none comes. */
  connack?: ((connect: IConnectPacket, count: number) => Partial<IConnackPacket> | undefined) | undefined;
  /** Instead of acknowledging a publish. */
  publish?: ((packet: IPublishPacket, peer: Peer) => void) | undefined;
  /** The reason codes of a SUBACK, none = it does not come. Default: what was asked for. */
  granted?: ((packet: ISubscribePacket) => number[]) | undefined;
  /** After the SUBACK. */
  subscribed?: ((packet: ISubscribePacket, peer: Peer) => void) | undefined;
  /** Before a ping is answered. */
  pinged?: ((peer: Peer) => void) | undefined;
  /** Whether it answers pings. Default true. */
  pings?: boolean;
}

/** A broker that keeps no message and does what a test tells it, on 127.0.0.1. */
export class Broker implements AsyncDisposable {
  readonly peers: Peer[] = [];
  /** Every publish of every client, in order of arrival. */
  readonly published: IPublishPacket[] = [];
  readonly behaviour: Behaviour;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(behaviour: Behaviour) {
    this.behaviour = behaviour;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  static async start(behaviour: Behaviour = {}, port = 0): Promise<Broker> {
    const broker = new Broker(behaviour);
    broker.#server.listen(port, "127.0.0.1");
    await once(broker.#server, "listening");
    return broker;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`;
  }

  /** The client that said this to be its id last. */
  peer(end: "in" | "out"): Peer | undefined {
    return this.peers.findLast(({ connect }) => connect.clientId.endsWith(end));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, "close");
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket)).on("error", () => {});
    let peer: Peer | undefined;
    let version = 5;
    const parser = mqttPacket.parser();
    const send = (packet: Packet): void => void (socket.destroyed || socket.write(mqttPacket.generate(packet, { protocolVersion: version })));
    parser.on("packet", (packet) => {
      if (packet.cmd === "connect") {
        version = packet.protocolVersion ?? 4;
        peer = {
          socket, connect: packet, published: [], packets: [], send,
          ack: ({ qos, messageId }, reasonCode = 0) => send({ cmd: qos === 1 ? "puback" : "pubrec", messageId: messageId!, reasonCode } as Packet),
        };
        this.peers.push(peer);
        const answer = this.behaviour.connack ? this.behaviour.connack(packet, this.peers.length) : {};
        if (answer) send({ cmd: "connack", sessionPresent: false, reasonCode: 0, returnCode: 0, ...answer });
      } else if (peer) this.#take(packet, peer);
    });
    parser.on("error", () => socket.destroy());
    socket.on("data", (chunk: Buffer) => void parser.parse(chunk));
  }

  #take(packet: Packet, peer: Peer): void {
    if (peer.socket.writableEnded || peer.socket.destroyed) return; // it has hung up and does not listen any more
    if (packet.cmd === "publish") {
      this.published.push(packet);
      peer.published.push(packet);
      if (this.behaviour.publish) return this.behaviour.publish(packet, peer);
      if (packet.qos > 0) peer.ack(packet);
      return;
    }
    peer.packets.push(packet);
    if (packet.cmd === "pubrel") peer.send({ cmd: "pubcomp", messageId: packet.messageId! } as Packet);
    if (packet.cmd === "pubrec") peer.send({ cmd: "pubrel", messageId: packet.messageId! } as Packet);
    if (packet.cmd === "pingreq") this.behaviour.pinged?.(peer);
    if (packet.cmd === "pingreq" && this.behaviour.pings !== false) peer.send({ cmd: "pingresp" });
    if (packet.cmd === "subscribe") {
      const granted = this.behaviour.granted?.(packet) ?? packet.subscriptions.map(({ qos }) => qos);
      if (granted.length > 0) peer.send({ cmd: "suback", messageId: packet.messageId!, granted });
      this.behaviour.subscribed?.(packet, peer);
    }
  }
}

/** What a publish says, as JSON. */
export const said = (packet: IPublishPacket): unknown => JSON.parse(packet.payload.toString());

/** A user property of a publish. */
export const property = (packet: IPublishPacket, name: string): string | undefined => packet.properties?.userProperties?.[name]?.toString();
