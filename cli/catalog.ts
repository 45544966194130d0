import type { AnyCommand } from "./command.ts";

/** A command as `busbar --help` lists it, before anything of it is loaded. */
export interface CatalogEntry {
  readonly summary: string;
  /** The most useful command line. */
  readonly example: string;
  load(): Promise<{ readonly default: AnyCommand }>;
}

/** Every command, in the order of the help. */
export const catalog: Readonly<Record<string, CatalogEntry>> = {
  start: { summary: "run the gateway that a config describes", example: "busbar start busbar.yaml", load: () => import("./commands/start.ts") },
  reload: { summary: "have a gateway read its config and certificates again", example: "busbar reload", load: () => import("./commands/reload.ts") },
  check: { summary: "list everything that is wrong with a config", example: "busbar check busbar.yaml", load: () => import("./commands/check.ts") },
  graph: { summary: "draw which plugin sends what where", example: "busbar graph --mermaid > flow.mmd", load: () => import("./commands/graph.ts") },
  plugins: { summary: "list the installed plugins", example: "busbar plugins --json", load: () => import("./commands/plugins.ts") },
  permissions: { summary: "say what a config needs of the machine", example: "busbar permissions --deno", load: () => import("./commands/permissions.ts") },
  new: { summary: "write a small working plugin to start from", example: "busbar new plugin my-protocol", load: () => import("./commands/new.ts") },
  token: { summary: "make a token for a device, a person or an app", example: "busbar token sensor-1 --role device --ttl 30d", load: () => import("./commands/token.ts") },
  can: { summary: "say what somebody may do, and which rule says so", example: "busbar can home-7 publish status/home-7 --role device", load: () => import("./commands/can.ts") },
  cert: { summary: "make a local certificate authority, and certificates for servers and devices", example: "busbar cert server --host gateway.local", load: () => import("./commands/cert.ts") },
  enrol: { summary: "make a one-time token with which a device gets a secret or certificate of its own", example: "busbar enrol sensor-1 --ttl 15m", load: () => import("./commands/enrol.ts") },
  revoke: { summary: "revoke a token, a device or a role in a running gateway", example: "busbar revoke device sensor-1", load: () => import("./commands/revoke.ts") },
  keys: { summary: "make keys for payloads that only their readers can open", example: "busbar keys new reader.jwk > reader.pub.jwk", load: () => import("./commands/keys.ts") },
  rekey: { summary: "encrypt what is stored with the first key of the config", example: "busbar rekey --status", load: () => import("./commands/rekey.ts") },
  tap: { summary: "print messages as they pass", example: "busbar tap 'status/#'", load: () => import("./commands/tap.ts") },
  send: { summary: "send one message", example: `busbar send command '{"on":true}' --to lamp-1`, load: () => import("./commands/send.ts") },
  record: { summary: "record messages with their times", example: "busbar record 'status/#' > monday.jsonl", load: () => import("./commands/record.ts") },
  replay: { summary: "play a recording, or a journal, again", example: "busbar replay monday.jsonl --speed 10", load: () => import("./commands/replay.ts") },
  dead: { summary: "list, replay or drop what sinks refused for good", example: "busbar dead list", load: () => import("./commands/dead.ts") },
  readers: { summary: "list the durable readers, or drop one that is gone", example: "busbar readers list", load: () => import("./commands/readers.ts") },
  audit: { summary: "check, print or export the audit log", example: "busbar audit verify", load: () => import("./commands/audit.ts") },
  sim: { summary: "run a fleet of simulated devices against a gateway", example: "busbar sim --count 100 --rate 10", load: () => import("./commands/sim.ts") },
  probe: { summary: "find out what a device has, and print the config that reads it", example: "busbar probe modbus 192.168.1.20 --table all", load: () => import("./commands/probe.ts") },
  bench: { summary: "run the benchmarks (in a checkout)", example: "busbar bench --quick", load: () => import("./commands/bench.ts") },
};
