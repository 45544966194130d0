import * as v from "valibot";
import type { Authority, Principal } from "../authority.ts";
import { envelopeJson } from "../codec/envelope-json.ts";
import type { GatewaySettings } from "../config/settings.ts";
import type { Journal } from "../journal.ts";
import { definePlugin } from "../plugin.ts";
import { JournalPort, SessionsPort } from "../ports.ts";
import { assertLedgerBalances } from "../testkit/assert-ledger-balances.ts";
import { fakeClock, type FakeClock } from "../testkit/fake-clock.ts";
import { openAuthority } from "../testkit/open-authority.ts";
import { testPlugin, type TestGateway, type TestPluginOptions } from "../testkit/test-plugin.ts";
import type { SessionOptions, Sessions } from "./sessions.ts";

/** The far side of one session: what it was told, and how its connection stands. */
export interface Peer {
  /** Every frame that was sent to it. */
  readonly said: Record<string, unknown>[];
  /** Close codes. */
  readonly closed: number[];
  /** Bytes that it has not taken: set by the test. */
  buffered: number;
  paused: boolean;
  send(frame: object): void;
  /** The payloads of the status messages it was sent, since the last call. */
  take(): unknown[];
}

/** A gateway on a fake clock, whose authority a test can change. */
export interface SessionsUnderTest extends AsyncDisposable {
  readonly gateway: TestGateway;
  readonly clock: FakeClock;
  /** What the authority answers; `change` tells the sessions that it may be different. */
  readonly rights: { can: (principal: Principal, topic: string) => boolean; stands: (principal: Principal) => boolean; change(): void };
  connect(options?: Partial<SessionOptions>): Peer;
}

/** Starts one, whose ledger is checked at the end. Its sessions are connections in memory, known beforehand as `d-1`. `plugins`: what else runs, by id. */
export async function openSessions(settings: Partial<GatewaySettings> = {}, plugins: NonNullable<TestPluginOptions["plugins"]> = {}): Promise<SessionsUnderTest> {
  const clock = fakeClock();
  const listeners = new Set<() => void>();
  const rights: SessionsUnderTest["rights"] = {
    can: () => true,
    stands: () => true,
    change() {
      for (const listener of listeners) listener();
    },
  };
  const authority: Authority = {
    ...openAuthority(),
    can: (principal, _action, topic) => rights.can(principal, topic),
    stands: (principal) => rights.stands(principal),
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  let sessions: Sessions | undefined;
  const listener = definePlugin({
    name: "memory", description: "Sessions in memory", config: v.strictObject({}), needs: { sessions: SessionsPort },
    setup(ctx) {
      sessions = ctx.needs.sessions;
    },
  });
  const gateway = await testPlugin(listener, {}, { clock, authority, gateway: settings, plugins });
  return {
    gateway, clock, rights,
    connect(options = {}) {
      let taken = 0;
      const peer: Peer = {
        said: [], closed: [], buffered: 0, paused: false,
        send(frame) {
          const bytes = new TextEncoder().encode(JSON.stringify(frame));
          session.receive(bytes, 0, bytes.length);
        },
        take() {
          const fresh = peer.said.slice(taken);
          taken = peer.said.length;
          return fresh.filter((frame) => frame["type"] === "status").map((frame) => frame["payload"]);
        },
      };
      const session = sessions!.open({
        kind: "memory", remote: "here",
        send: (bytes) => void peer.said.push(JSON.parse(Buffer.from(bytes).toString()) as Record<string, unknown>),
        buffered: () => peer.buffered,
        pause: () => void (peer.paused = true),
        resume: () => void (peer.paused = false),
        close(code) {
          peer.closed.push(code);
          session.ended();
        },
      }, { codec: envelopeJson.create(), principal: { id: "d-1", roles: [], groups: [] }, ...options });
      return peer;
    },
    async [Symbol.asyncDispose]() {
      assertLedgerBalances(gateway.kernel.gateway.metrics());
      await gateway.stop();
      if (clock.timers > 0) throw new Error(`${clock.timers} timers are left`);
    },
  };
}

/** Starts one on a journal that a test may hand to the next one: what a crash leaves. */
export function openSessionsOn(journal: Journal, settings: Partial<GatewaySettings> = {}): Promise<SessionsUnderTest> {
  const storage = definePlugin({ name: "storage", description: "A journal", config: v.strictObject({}), provides: { journal: JournalPort }, setup: () => ({ journal }) });
  return openSessions(settings, { storage: [storage, {}] });
}

/** Lets promises and what they make ready run. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

/** Stores status messages with the payloads `from` to `to` and msgids such as `m1`. */
export async function store({ gateway }: SessionsUnderTest, from: number, to: number): Promise<void> {
  for (let n = from; n <= to; n++) await gateway.bus.deliver({ type: "status", from: "src", msgid: `m${n}`, payload: n });
}

/** Subscribes to all status messages, with qos 1 unless told otherwise. */
export const subscribe = (peer: Peer, more: object = {}): void => peer.send({ type: "subscribe", topic: "status/#", qos: 1, ...more });

/** Acknowledges messages of `store` by their numbers. */
export const ack = (peer: Peer, ...numbers: readonly number[]): void => {
  for (const n of numbers) peer.send({ type: "ack", msgid: `m${n}` });
};
