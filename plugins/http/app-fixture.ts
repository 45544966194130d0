import {
  AuditPort, BusbarError, CommandsPort, covers, createMemoryJournal, CursorsPort, DeadLettersPort, definePlugin, GatewayPort, JournalPort, matches, SignedPort,
  type AuditLog, type Authority, type DeviceRecord, type Entry, type Journal, type LogRecord, type Sessions, type SessionStatus, type Store,
} from "@busbar/core";
import { fakeClock, testPlugin, type FakeClock } from "@busbar/core/testkit";
import * as v from "valibot";
import { createApp } from "./app.ts";
import { httpConfig } from "./config.ts";
import { createConsoleCode, type ConsoleCode } from "./console-code.ts";
import { createMounts, type Mounts } from "./mounts.ts";
import { createPresence } from "./presence.ts";
import type { ApiParts, AppEnv } from "./operation.ts";
import { SiteGuard } from "./site-guard.ts";
import { createSite } from "./site.ts";

/** An app on a real bus with a memory journal, and what a test wants to reach of it. */
export interface Fixture {
  readonly parts: ApiParts;
  readonly clock: FakeClock;
  readonly mounts: Mounts;
  readonly code: ConsoleCode;
  readonly lines: readonly LogRecord[];
  readonly sessions: SessionStatus[];
  /** What /readyz is told. */
  missing: string[] | undefined;
  /** Sends a request as `token`; a body is sent as JSON. */
  call(path: string, options?: { readonly token?: string; readonly body?: unknown; readonly method?: string; readonly headers?: Record<string, string>; readonly remote?: string; readonly text?: string }): Promise<Response>;
  fetch(request: Request, env: object): Response | Promise<Response>;
}

/** An authority for which a token is `<id>:<pattern>,…`: what may be published and subscribed to. */
export const patternAuthority: Authority = {
  async authenticate(credentials) {
    const [id, patterns] = credentials.kind === "token" ? credentials.token.split(":") : [];
    if (!id || patterns === undefined) throw new BusbarError("UNAUTHENTICATED", "Cannot authenticate: the token is forged");
    return { id, roles: patterns.split(","), groups: [] };
  },
  can: (principal, _action, topic) => principal.roles.some((pattern) => covers(pattern, topic)),
  stands: () => true,
  issue: async ({ id, roles, ttl }) => `${id}:${roles.join("+")}+${ttl}`,
  onChange: () => () => {},
};

/** A store that looks things up in a journal, payloads of the form `{values:[{tag,value,unit}]}` only; what is more of series is tested with a real one. */
export function journalStore(journal: Journal): Store {
  const entries = async (): Promise<readonly Entry[]> => (await journal.read({ after: 0, limit: 10_000 })).entries;
  const records = async (): Promise<DeviceRecord[]> => {
    const found = new Map<string, DeviceRecord>();
    for (const { message } of await entries()) {
      if (message.type !== "status") continue;
      const values = { ...found.get(message.from)?.values };
      for (const { tag, value, unit } of valuesOf(message.payload)) values[tag] = { value, unit, quality: "good", timestamp: message.timestamp };
      found.set(message.from, { id: message.from, lastSeen: message.timestamp, values });
    }
    return [...found.values()].sort((one, other) => (one.id < other.id ? -1 : 1));
  };
  return {
    async messages({ topic = "#", since = 0, until = Infinity, limit, cursor = "0" }) {
      if (!/^\d+$/.test(cursor)) throw new RangeError(`Cannot read from cursor "${cursor}": it is none`);
      const found = (await entries()).filter(({ offset, message }) => offset > Number(cursor) && matches(topic, message.topic) && message.timestamp >= since && message.timestamp < until);
      const page = found.slice(0, limit);
      return { entries: page, ...(found.length > limit ? { next: String(page.at(-1)!.offset) } : {}) };
    },
    async series({ device, tag, since, until, points }) {
      const found = (await entries()).flatMap(({ message }) =>
        message.from === device && message.timestamp >= since && message.timestamp < until ? valuesOf(message.payload).flatMap((one) => (one.tag === tag ? [{ time: message.timestamp, value: one.value }] : [])) : [],
      );
      return { points: found.slice(0, points), unit: "°C" };
    },
    aggregate: () => Promise.reject(new BusbarError("UNAVAILABLE", "Cannot aggregate: this store only looks things up")),
    readings: () => Promise.reject(new BusbarError("UNAVAILABLE", "Cannot read readings: this store only looks things up")),
    devices: async ({ after = "", limit }) => (await records()).filter(({ id }) => id > after).slice(0, limit),
    device: async (id) => (await records()).find((one) => one.id === id),
  };
}

function valuesOf(payload: unknown): readonly { readonly tag: string; readonly value: number; readonly unit: string }[] {
  const values = (payload as { readonly values?: unknown } | null)?.values;
  return Array.isArray(values) ? values.filter((one) => typeof one === "object" && one !== null) : [];
}

/**
 * Makes the app inside a real kernel on a fake clock: nothing of it outlives the test. `config` as in a config file; `storeless`: without a storage
 * plugin; `store`: in the place of the one above. What it is told of sessions and readiness is up to the test.
 */
export async function createFixture(options: { readonly config?: object; readonly storeless?: boolean; readonly store?: Store; readonly auditLog?: AuditLog; readonly authority?: Authority } = {}): Promise<Fixture> {
  const { authority = patternAuthority } = options;
  const clock = fakeClock();
  const journal = createMemoryJournal();
  const online: SessionStatus[] = [];
  const sessions: Sessions = {
    open: () => {
      throw new TypeError("Cannot open a session: nothing listens here");
    },
    list: () => online,
    get: (id) => online.find(({ principal }) => principal === id),
    door: { guard: () => {} },
    get size() {
      return online.length;
    },
  };
  const config = v.parse(httpConfig, options.config ?? {});
  const mounts = createMounts();
  const code = createConsoleCode(clock);
  let parts: ApiParts | undefined;
  const plugin = definePlugin({
    name: "http",
    description: "The app without its server",
    config: v.strictObject({}),
    needs: { audit: AuditPort, gateway: GatewayPort, commands: CommandsPort, cursors: CursorsPort, deadLetters: DeadLettersPort, signed: SignedPort },
    provides: { journal: JournalPort },
    setup({ needs, bus, log, metrics, announce }) {
      announce({ what: "Console", url: "http://127.0.0.1:8080/#code=secret" });
      const gateway = { ...needs.gateway, notReady: () => fixture.missing, plugins: () => needs.gateway.plugins(), flow: () => needs.gateway.flow(), metrics: () => needs.gateway.metrics() };
      parts = { id: "subject", audit: needs.audit, auditLog: options.auditLog, authority, bus, store: options.storeless ? undefined : (options.store ?? journalStore(journal)), gateway, commands: needs.commands, cursors: needs.cursors, deadLetters: needs.deadLetters, signed: needs.signed, sessions, presence: createPresence({ bus, sessions, clock, window: config.presence }), clock, log, metrics, config };
      return { journal };
    },
  });
  const { log: lines } = await testPlugin(plugin, {}, { authority, clock });
  if (!parts) throw new TypeError("Cannot make the app: its plugin was not set up");
  const app = createApp(parts, { mounts, guard: new SiteGuard(createSite(config), parts), code: config.console ? code : undefined, version: "0.0.0" });
  const fixture: Fixture = {
    parts,
    clock,
    mounts,
    code,
    lines,
    sessions: online,
    missing: undefined,
    fetch: (request, env) => app.fetch(request, env as AppEnv["Bindings"]),
    async call(path, { token, body, method, headers = {}, remote = "203.0.113.9", text } = {}) {
      const content = text ?? (body === undefined ? undefined : JSON.stringify(body));
      return app.fetch(
        new Request(`http://127.0.0.1:8080${path}`, {
          method: method ?? (content === undefined ? "GET" : "POST"),
          headers: { host: "127.0.0.1:8080", ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...(content === undefined ? {} : { "content-type": "application/json" }), ...headers },
          ...(content === undefined ? {} : { body: content }),
        }),
        { incoming: { socket: { remoteAddress: remote } } } as unknown as AppEnv["Bindings"],
      );
    },
  };
  return fixture;
}

/** The problem that a response says, once its form is what RFC 9457 asks for. */
export async function problemIn(response: Response): Promise<Record<string, any>> {
  if (response.headers.get("content-type") !== "application/problem+json") throw new Error(`Cannot read a problem: ${response.status} ${response.headers.get("content-type")}`);
  const body = (await response.json()) as Record<string, unknown>;
  if (body["status"] !== response.status || typeof body["title"] !== "string") throw new Error(`Cannot read a problem: ${JSON.stringify(body)}`);
  return body;
}
