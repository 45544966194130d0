import { join } from "node:path";
import { createWriteGuard } from "@busbar/core";
import { Acquisition } from "./acquisition.ts";
import { AlarmFeed } from "./alarm-feed.ts";
import { parseFingerprint } from "./certificate-text.ts";
import { DeviceCommands } from "./device-commands.ts";
import { readLastTimes, writeLastTimes } from "./last-times.ts";
import { logLibrary } from "./library-log.ts";
import { openOwnCertificate } from "./own-certificate.ts";
import type { OpcuaContext } from "./plugin.ts";
import type { ConnectionSettings } from "./server-connection.ts";
import { ServerLink } from "./server-link.ts";
import { Subscriptions } from "./subscriptions.ts";

/** Starts everything of one instance. The connection is made once the bus is open; a server that cannot be reached fails nothing. */
export async function startClient(ctx: OpcuaContext): Promise<void> {
  const { bus, clock, config, id, log, metrics, signal } = ctx;
  logLibrary(log);
  const file = ctx.path(join(config.history.folder, `${id}.json`));
  const lastTimes = config.history.enabled ? await readLastTimes(file, () => log.warn("the times of the last values are damaged: gaps before this start are not known", { file })) : undefined;
  const tell = (payload: Readonly<Record<string, unknown>>): void => {
    bus.deliver({ type: "event", from: id, payload, qos: 1 }).catch((error: unknown) => signal.aborted || log.error("an event could not be delivered", { event: payload["event"], error }));
  };
  const devices = new Set<string>();
  let online = false;
  const tellPresence = (device: string): void =>
    void bus.publish({ type: "event", from: `${device}/presence`, payload: { presence: online ? "online" : "offline", lastSeen: link.heard ?? clock.now() }, retain: true });
  const device = config.device ?? id;
  const feed = new AlarmFeed({ config, bus, log, signal, deviceOf: (source) => (devices.has(source) ? source : device) });
  const acquisition: Acquisition = new Acquisition({
    config, instance: id, bus, clock, log, metrics, signal, lastTimes, tell,
    onDevice: (one) => {
      devices.add(one);
      ctx.defer(commands.listen(one));
      if (link.life !== undefined) tellPresence(one); // else they are told together
    },
    onReport: () => (link.heard = clock.now()),
    prepare: async (life, how, subscriptions) => {
      await feed.begin(life, how, subscriptions);
      await commands.findMethods(life);
    },
    subscriptions: (handlers) => new Subscriptions({
      settings: config.subscription, clock, log, timeout: config.timeout,
      onEvent: (handle, fields) => feed.take(handle, fields),
      onLost: (reason) => link.life?.connection.break(reason),
      ...handlers,
    }),
  });
  const commands = new DeviceCommands({
    config, bus, clock, log, signal, writes: createWriteGuard(ctx), selection: acquisition.selection, device, life: () => link.life,
    alarms: config.alarms.sources.length > 0 ? feed.alarms : undefined,
  });
  const link = new ServerLink({
    connection: await connectionSettings(ctx), clock, log, reconnect: config.reconnect, keepAlive: config.keepAlive,
    reconnects: metrics.counter("busbar_opcua_reconnects_total", "Connections to the server after the first", { instance: id }),
    fault: () => acquisition.fault(),
    onState: (state) => tell({ event: "server", state, message: `the server says that its state is ${state}` }),
    onUp: async (life, outage) => {
      online = true;
      await acquisition.begin(life, outage);
      for (const device of devices) tellPresence(device);
      tell({ event: "connection", state: "up", url: config.url, message: "connected to the server" });
    },
    onDown: (reason) => {
      online = false;
      acquisition.lose();
      for (const device of devices) tellPresence(device);
      tell({ event: "connection", state: "down", url: config.url, reason, message: `not connected to the server: ${reason}` });
    },
  });
  acquisition.announce([...config.methods.map((entry) => entry.device ?? device), ...(config.alarms.sources.length > 0 ? [device] : [])]);
  link.heard = lastTimes?.at;
  metrics.gauge("busbar_opcua_connected", "Whether the server is connected: 1 or 0", () => (link.life === undefined ? 0 : 1), { instance: id });
  if (config.history.enabled) {
    const save = async (): Promise<void> => {
      if (link.heard !== undefined) await writeLastTimes(file, acquisition.lastTimes(link.heard)).catch((error: unknown) => log.warn("the times of the last values could not be written", { error }));
    };
    ctx.defer(clock.every(config.history.save, () => void save()));
    ctx.defer(save);
  }
  ctx.defer(() => {
    online = false;
    for (const device of devices) tellPresence(device);
  });
  ctx.run((until) => link.run(until));
}

async function connectionSettings({ clock, config, id, log, path }: OpcuaContext): Promise<ConnectionSettings> {
  const { acceptUnknownServers, keepAlive, security, sessionTimeout, timeout, trustedServers, url, user } = config;
  const pki = path(config.pki);
  const file = (name: string | undefined): string | undefined => (name === undefined ? undefined : path(name));
  return {
    url, timeout, keepAlive, sessionTimeout, security, log, now: () => clock.now(),
    own: await openOwnCertificate(pki, { applicationUri: config.applicationUri, now: clock.now() }),
    user: user && { ...user, certFile: file(user.certFile), keyFile: file(user.keyFile) },
    trust: { pki, trusted: trustedServers.map((entry) => (parseFingerprint(entry) === undefined ? path(entry) : entry)), acceptUnknown: acceptUnknownServers, instance: id },
  };
}
