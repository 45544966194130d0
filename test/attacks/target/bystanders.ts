import type { PeerDriver } from "@busbar/core/testkit";
import type { AttackTarget } from "./attack-target.ts";
import { bystander } from "./target-config.ts";

/** Two well-behaved clients that stay connected through everything: a device over TCP, and an app over WebSocket that listens to it. */
export class Bystanders {
  readonly #device: PeerDriver;
  readonly #app: PeerDriver;
  #sent = 0;

  private constructor(device: PeerDriver, app: PeerDriver) {
    this.#device = device;
    this.#app = app;
  }

  static async connect(target: AttackTarget): Promise<Bystanders> {
    const device = await target.login("tcp", target.token(bystander.device), bystander.device);
    const app = await target.login("ws", target.token(bystander.app, { roles: ["admin"], user: true }), bystander.app);
    app.send({ kind: "subscribe", topic: `status/${bystander.device}`, qos: 0, since: undefined, ref: "bystander", binary: false });
    await app.next("subscribed");
    return new Bystanders(device, app);
  }

  /** Sends one message through the gateway: it is acknowledged, and arrives as it was said. @throws {Error} when it does not within 20 s, or a connection was cut. */
  async talk(): Promise<void> {
    const msgid = `good-${++this.#sent}`;
    this.#device.publish({ type: "status", from: bystander.device, msgid, qos: 1, payload: { turn: this.#sent } });
    const [ack, heard] = await Promise.all([this.#device.next("ack"), this.#app.next("status")]);
    const { from, to, qos, retain, payload } = heard;
    const said = JSON.stringify([ack["msgid"], ack["status"], from, to, qos, retain, payload]);
    const expected = JSON.stringify([msgid, "ok", bystander.device, "server", 1, false, { turn: this.#sent }]);
    if (said !== expected) throw new Error(`a bystander's message came otherwise than it was said: ${said} instead of ${expected}`);
  }
}
