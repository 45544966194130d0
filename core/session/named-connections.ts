import type { PeerSession } from "./peer-session.ts";
import { CloseCode } from "./transport.ts";

/** Connections whose peers have given them names of their own, as MQTT client ids are: a newer one of the same principal and name takes the place of the older (MQTT 3.1.1 §3.1.4). Of another principal it takes nothing. */
export class NamedConnections {
  readonly #sessions = new Map<string, PeerSession>();
  readonly #keys = new WeakMap<PeerSession, string>();

  /** The session, which is logged in, has said its name; an older one of that name is ended. */
  add(session: PeerSession, client: string): void {
    const key = `${session.principal?.id}\n${client}`; // no id has a line break in it
    const older = this.#sessions.get(key);
    this.#sessions.set(key, session);
    this.#keys.set(session, key);
    if (older !== undefined && older !== session) older.close(CloseCode.replaced, "replaced by a newer connection");
  }

  /** It has ended. */
  remove(session: PeerSession): void {
    const key = this.#keys.get(session);
    if (key !== undefined && this.#sessions.get(key) === session) this.#sessions.delete(key);
  }
}
