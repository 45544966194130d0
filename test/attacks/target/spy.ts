import type { PeerDriver, ServerFrame } from "@busbar/core/testkit";
import type { AttackTarget } from "./attack-target.ts";
import { bystander } from "./target-config.ts";

/** A session that may hear everything, for attacks that must not be heard. */
export class Spy {
  readonly #target: AttackTarget;
  readonly #token: string;
  readonly #session: PeerDriver;
  #fences = 0;

  private constructor(target: AttackTarget, token: string, session: PeerDriver) {
    this.#target = target;
    this.#token = token;
    this.#session = session;
  }

  /** Listens from now on; `pattern` default everything. */
  static async open(target: AttackTarget, pattern = "#"): Promise<Spy> {
    const token = target.admin("spy");
    const session = await target.login("ws", token, "spy");
    session.send({ kind: "subscribe", topic: pattern, qos: 0, since: undefined, ref: "spy", binary: false });
    session.send({ kind: "subscribe", topic: "fence/#", qos: 0, since: undefined, ref: "fence", binary: false });
    await session.next("subscribed");
    await session.next("subscribed");
    return new Spy(target, token, session);
  }

  /** What was heard since the last time, but for bystanders, presence, and what the gateway notes itself: everything that was said before this is called, as whatever passes the gateway passes in order. */
  async heard(): Promise<readonly ServerFrame[]> {
    const msgid = `fence-${++this.#fences}`;
    const { status, body } = await this.#target.http({ path: "/api/messages", token: this.#token, body: { type: "fence", msgid, payload: 0 } });
    if (status !== 200) throw new Error(`Cannot send a fence: ${status} ${body}`);
    const heard: ServerFrame[] = [];
    for (;;) {
      const frame = await this.#session.next();
      if (frame.type === "fence" && frame["msgid"] === msgid) return heard;
      const from = String(frame["from"]);
      if (frame.type !== "fence" && frame.type !== "audit" && from !== bystander.device && !from.endsWith("/presence")) heard.push(frame);
    }
  }
}
