import process from "node:process";
import { webSocketBy, type Transport } from "@busbar/client";
import { tcp } from "@busbar/client/tcp";
import { isId, systemClock } from "@busbar/core";
import { WebSocket } from "ws";
import { accessOptions, openAccess } from "../client/access.ts";
import { defineCommand } from "../command.ts";
import { Failure, usageFailure } from "../failure.ts";
import { startFleet, type FleetCounts } from "../sim/fleet.ts";
import { oneLine, print } from "../terminal.ts";

/** `busbar sim`: a fleet of simulated devices. */
export default defineCommand({
  description: "Runs a fleet of simulated devices against a gateway: each with a connection and a token of its own, reporting a temperature and a voltage, and coming back with growing pauses when its connection breaks. Prints a line per second until it is interrupted.",
  positionals: [],
  options: {
    protocol: { kind: "choice", of: ["tcp", "ws"], text: "protobuf over TCP, or JSON over WebSocket", fallback: "tcp" },
    count: { kind: "number", value: "n", min: 1, max: 100_000, whole: true, text: "devices", fallback: 10 },
    rate: { kind: "number", value: "n", min: 0, max: 100_000, text: "messages per second of each device", fallback: 1 },
    duration: { kind: "duration", min: 100, max: 1_728_000_000, text: "end after so long, up to 20d" },
    qos: { kind: "choice", of: ["0", "1", "2"], text: "only messages of qos 1 and 2 are acknowledged", fallback: "1" },
    prefix: { kind: "text", value: "id", text: "ids are <prefix>1, <prefix>2, …", fallback: "sim-" },
    json: { kind: "flag", text: 'print {"seconds","connected","sent","acked","errors","reconnects"} a line' },
    ...accessOptions,
  },
  examples: [
    ["busbar sim --count 100 --rate 10 --config examples/default/busbar.yaml", "100 devices, 1,000 messages a second, protobuf over TCP"],
    ["busbar sim --protocol ws --count 20 --duration 30s --token $TOKEN", "as devices below the id that the token is for"],
  ],
  async run({ options }) {
    const { protocol, count, rate, json } = options;
    const access = await openAccess(options, { roles: ["device"], ttl: 86_400, user: false, protocol });
    const prefix = access.subject === undefined ? options.prefix : `${access.subject}/${options.prefix}`;
    if (!isId(prefix + count)) throw usageFailure(`sim: "${oneLine(prefix)}${count}" is no id`);
    const ids = Array.from({ length: count }, (_, at) => `${prefix}${at + 1}`);
    await access.tokenFor(ids[0]!); // what is wrong with the key or the role is said once, not by every device
    const fleet = startFleet({ url: access.url, transport: transportTo(protocol, access.ca), ids, tokenFor: access.tokenFor, rate, qos: Number(options.qos) as 0 | 1 | 2 });
    const began = performance.now();
    const interrupted = new AbortController();
    const interrupt = (): void => interrupted.abort();
    process.once("SIGINT", interrupt).once("SIGTERM", interrupt); // a second one ends it at once
    let reported: string | undefined;
    let ready = false;
    let last = began;
    const report = (): void => {
      last = performance.now();
      const counts = fleet.counts();
      const error = fleet.lastError();
      const seconds = Math.round((performance.now() - began) / 100) / 10;
      ready ||= counts.connected > 0;
      print(json ? JSON.stringify({ seconds, ...counts }) : formatCounts(seconds, counts) + (error === reported || error === undefined ? "" : `  (${oneLine(error)})`));
      reported = error;
    };
    const stopReports = systemClock.every(1000, report);
    await systemClock.sleep(options.duration ?? 2 ** 31 - 1, interrupted.signal).catch(() => {});
    stopReports();
    if (performance.now() - last > 300) report();
    ready ||= fleet.counts().connected > 0;
    await Promise.race([fleet.stop(), systemClock.sleep(2000)]);
    if (!ready) throw new Failure(69, [`busbar: sim: no device could connect to ${access.url.href}${reported === undefined ? "" : `: ${oneLine(reported)}`}`]);
    return 0;
  },
});

/** How the devices connect; `ca`: the authorities that may have signed the gateway's certificate. */
function transportTo(protocol: "ws" | "tcp", ca: string | undefined): Transport | undefined {
  if (protocol === "tcp") return tcp(ca === undefined ? {} : { tls: { ca } });
  if (ca === undefined) return undefined;
  return webSocketBy((url, subprotocol) => {
    const socket = new WebSocket(url, subprotocol, { ca, perMessageDeflate: false });
    socket.on("error", () => {}); // "close" follows
    return socket as unknown as globalThis.WebSocket; // as far as an SDK looks, it is one
  });
}

function formatCounts(seconds: number, { connected, sent, acked, errors, reconnects }: FleetCounts): string {
  return `${seconds.toFixed(1).padStart(7)} s  connected ${connected}  sent ${sent}  acked ${acked}  errors ${errors}  reconnects ${reconnects}`;
}
