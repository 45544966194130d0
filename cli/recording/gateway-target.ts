import { once } from "node:events";
import { BusbarError } from "@busbar/core";
import type { WebSocket } from "ws";
import type { Access } from "../client/access.ts";
import { closeError, openWebSocket } from "../client/web-socket.ts";
import type { RecordedMessage } from "./recording-file.ts";
import type { ReplayOutcome, ReplayTarget } from "./replay-target.ts";

/** Messages of qos 1 and 2 that one sender may have unacknowledged. */
const window = 256;
/** Bytes towards the gateway beyond which the next message waits. */
const roomBytes = 1024 * 1024;
/** Connections at once: one for each sender that has spoken lately. */
const maxSenders = 200;

/** Plays into a running gateway: each sender of the recording has a connection of its own, as an app, so no device is pushed out by its replay. */
export function createGatewayTarget(access: Access): ReplayTarget {
  const senders = new Map<string, Sender>();
  const refused = new Map<string, number>();
  const totals = { sent: 0, acknowledged: 0 };
  const end = async (sender: Sender): Promise<void> => {
    const { acknowledged, errors } = await sender.end();
    totals.acknowledged += acknowledged;
    for (const [code, count] of errors) refused.set(code, (refused.get(code) ?? 0) + count);
  };
  const find = async (id: string): Promise<Sender> => {
    let sender = senders.get(id);
    if (sender) senders.delete(id); // and to the end: the first one has been silent longest
    else {
      if (senders.size >= maxSenders) {
        const [oldest] = senders.keys();
        await end(senders.get(oldest!)!);
        senders.delete(oldest!);
      }
      sender = new Sender(await openWebSocket(access, id));
    }
    senders.set(id, sender);
    return sender;
  };
  return {
    async send(message) {
      const sender = await find(access.subject ?? message.from);
      await sender.send(message);
      totals.sent++;
    },
    async finish(): Promise<ReplayOutcome> {
      for (const sender of senders.values()) await end(sender);
      senders.clear();
      return { ...totals, refused };
    },
  };
}

/** One connection. */
class Sender {
  readonly #socket: WebSocket;
  readonly #pending = new Set<string>();
  readonly #errors = new Map<string, number>();
  #acknowledged = 0;
  #closed: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (data: Buffer) => this.#hear(JSON.parse(data.toString()) as Readonly<Record<string, unknown>>));
    socket.on("error", () => {}); // "close" follows
    socket.on("close", (code, reason) => {
      this.#closed = closeError(code, reason.toString());
      this.#wake?.();
    });
  }

  async send({ received: _received, offset: _offset, ...envelope }: RecordedMessage): Promise<void> {
    if (envelope.qos > 0) this.#pending.add(envelope.msgid);
    this.#socket.send(JSON.stringify(envelope));
    while (this.#pending.size >= window) await this.#news();
    while (this.#socket.bufferedAmount > roomBytes && this.#closed === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
    if (this.#closed) throw this.#closed;
  }

  async end(): Promise<{ readonly acknowledged: number; readonly errors: ReadonlyMap<string, number> }> {
    while (this.#pending.size > 0) await this.#news();
    if (this.#closed === undefined) {
      // What was sent without an acknowledgement has been read when the answer to a ping comes.
      const pong = once(this.#socket, "pong");
      this.#socket.ping();
      await Promise.race([pong, once(this.#socket, "close")]);
      this.#socket.close(1000);
      if (this.#socket.readyState !== this.#socket.CLOSED) await once(this.#socket, "close");
    }
    return { acknowledged: this.#acknowledged, errors: this.#errors };
  }

  #hear({ type, msgid, status, code }: Readonly<Record<string, unknown>>): void {
    if (type === "error") {
      if (typeof msgid === "string") this.#pending.delete(msgid);
      this.#errors.set(String(code), (this.#errors.get(String(code)) ?? 0) + 1);
    } else if (type === "ack" && status === "ok" && this.#pending.delete(String(msgid))) this.#acknowledged++;
    else return;
    this.#wake?.();
  }

  /** Resolves at the next answer. */
  async #news(): Promise<void> {
    if (this.#closed) throw this.#closed;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new BusbarError("TIMEOUT", "Cannot go on: the gateway has not answered for 30 s")), 30_000);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
