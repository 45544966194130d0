import { once } from "node:events";
import { connect, type Socket } from "node:net";
import mqttPacket, { type Packet } from "mqtt-packet";

/** A client that says what it likes, bytes or packets of mqtt-packet, and hears packets. */
export class RawClient implements Disposable {
  readonly socket: Socket;
  /** Packets in the order they came. */
  readonly heard: Packet[] = [];
  readonly closed: Promise<void>;
  #wake: () => void = () => {};
  #given = 0;
  #ended = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("error", () => {}); // a reset is an end like any other here
    const parser = mqttPacket.parser({ protocolVersion: 4 });
    parser.on("packet", (packet) => void this.heard.push(packet));
    socket.on("data", (chunk: Buffer) => {
      parser.parse(chunk);
      this.#wake();
    });
    this.closed = new Promise((resolve) => socket.once("close", () => resolve()));
    void this.closed.then(() => {
      this.#ended = true;
      this.#wake();
    });
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    return new RawClient(socket);
  }

  /** Connects and logs in as `id` with that token, or else with the id. */
  static async login(port: number, id: string, token = id): Promise<RawClient> {
    const client = await RawClient.connect(port);
    client.say({ cmd: "connect", clientId: `${id}-raw`, protocolId: "MQTT", protocolVersion: 4, clean: true, keepalive: 0, username: id, password: Buffer.from(token) });
    const answer = await client.next();
    if (answer?.cmd !== "connack" || answer.returnCode !== 0) throw new Error(`Cannot log in as ${id}: ${JSON.stringify(answer)}`);
    return client;
  }

  /** A packet, whole. */
  say(packet: Packet): void {
    this.socket.write(mqttPacket.generate(packet, { protocolVersion: 4 }));
  }

  bytes(...bytes: readonly number[]): void {
    this.socket.write(new Uint8Array(bytes));
  }

  /** The next packet; undefined when the connection ended instead. */
  async next(): Promise<Packet | undefined> {
    while (this.#given === this.heard.length && !this.#ended) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.heard[this.#given++];
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
