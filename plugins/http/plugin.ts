import { AuditLogPort, AuditPort, AuthorityPort, CommandsPort, CursorsPort, DeadLettersPort, definePlugin, GatewayPort, HttpPort, isExposed, listenerPlaces, optional, SessionsPort, SignedPort, StorePort } from "@busbar/core";
import manifest from "./package.json" with { type: "json" };
import { createApp } from "./app.ts";
import { httpConfig, type HttpConfig } from "./config.ts";
import { createConsoleCode } from "./console-code.ts";
import { createMounts } from "./mounts.ts";
import { createPresence } from "./presence.ts";
import { openServer } from "./server.ts";
import { SiteGuard } from "./site-guard.ts";
import { createSite } from "./site.ts";
import { createUpgrades } from "./upgrades.ts";

/** The http plugin: WIRE §4 and the console page on one node:http server, which other plugins share through the Http port. */
export const http = definePlugin({
  name: "http",
  description: "HTTP API, metrics, health and the console page; the server that WebSocket and others share",
  config: httpConfig,
  listens: (config) => listenerPlaces(config, "HTTP"),
  needs: { audit: AuditPort, auditLog: optional(AuditLogPort), authority: AuthorityPort, gateway: GatewayPort, commands: CommandsPort, cursors: CursorsPort, deadLetters: DeadLettersPort, sessions: SessionsPort, signed: SignedPort, store: optional(StorePort) },
  provides: { http: HttpPort },
  async setup(ctx) {
    const { config, needs, bus, clock, log, metrics } = ctx;
    const mounts = createMounts();
    const guard = new SiteGuard(createSite(config), { log, metrics, audit: needs.audit });
    const upgrades = createUpgrades({ guard, encrypted: config.tls !== undefined, refused: metrics.counter("busbar_http_upgrades_refused_total", "Upgrade requests to paths that no plugin serves") });
    const code = config.console ? createConsoleCode(clock) : undefined;
    const presence = createPresence({ bus, sessions: needs.sessions, clock, window: config.presence });
    ctx.defer(() => presence.close());
    const app = createApp({ ...needs, id: ctx.id, presence, bus, clock, log, metrics, config }, { mounts, guard, code, version: manifest.version });
    const server = await openServer(config, { fetch: (request, env) => app.fetch(request, env), upgrade: upgrades.handle }, ctx);
    ctx.defer(() => server.close());
    const url = urlOf(config, server.port);
    const insecure = isExposed({ host: config.host, encrypted: config.tls !== undefined });
    ctx.announce({ what: "HTTP API", url, ...(insecure && { insecure }) });
    if (code) ctx.announce({ what: "Console", url: `${url}/#code=${code.text}` });
    return { http: { url, insecure, mount: mounts.add, upgrade: upgrades.add, refuseUpgrade: upgrades.refuse } };
  },
});

/** Where a browser on this machine reaches it. */
function urlOf({ host, tls }: HttpConfig, port: number): string {
  const name = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "[::1]" : host.includes(":") ? `[${host}]` : host;
  return `${tls ? "https" : "http"}://${name}:${port}`;
}
