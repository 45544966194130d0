import * as v from "valibot";
import { BusbarError } from "../errors.ts";
import { definePlugin, type AnyPlugin } from "../plugin.ts";
import { AuthorityPort, definePort, HttpPort, JournalPort, optional } from "../ports.ts";
import { defineStep } from "../step.ts";
import { duration, portNumber } from "../schema.ts";
import type { ConfigHost } from "./host.ts";
import { loadConfig } from "./load.ts";
import { formatProblem } from "./problem.ts";

/*
 * The plugins that the tests of this folder write configs for: small, and between them with every construct that a config can get wrong.
 */

const left = definePort<object>("left");
const right = definePort<object>("right");
const empty = v.strictObject({});

const http = definePlugin({
  name: "http",
  description: "A web server",
  config: v.strictObject({
    port: v.pipe(v.optional(portNumber(), 8080), v.description("Where it listens")),
    host: v.optional(v.string(), "127.0.0.1"),
    timeout: v.optional(duration(1), "30s"),
    tls: v.optional(v.strictObject({ cert: v.string(), key: v.string(), verify: v.optional(v.boolean(), true) })),
  }),
  provides: { http: HttpPort },
  setup: () => ({ http: { url: "", mount: () => () => {}, upgrade: () => () => {}, refuseUpgrade: () => {} } }),
});

const auth = definePlugin({
  name: "auth",
  description: "Who may do what",
  config: v.strictObject({
    secret: v.pipe(
      v.string(),
      v.minLength(8),
      v.check((text) => !text.includes(" "), (issue) => `the secret ${issue.received} has a space in it`),
    ),
    mode: v.optional(v.picklist(["open", "closed"]), "closed"),
    keys: v.optional(v.array(v.variant("kind", [v.strictObject({ kind: v.literal("file"), path: v.string() }), v.strictObject({ kind: v.literal("url"), href: v.string(), every: duration(1000) })])), []),
  }),
  provides: { authority: AuthorityPort },
  setup: () => {
    throw new BusbarError("UNAVAILABLE", "Cannot set up a sample: it is there to be checked");
  },
});

const websocket = definePlugin({ name: "websocket", description: "Sessions", config: empty, needs: { http: HttpPort, auth: AuthorityPort, journal: optional(JournalPort) }, setup: () => {} });

const historian = definePlugin({
  name: "historian",
  description: "Takes what routes send",
  config: v.strictObject({ target: v.optional(v.union([v.string(), v.strictObject({ url: v.string(), retries: v.optional(v.number(), 3) })]), "memory") }),
  accepts: true,
  steps: { double: defineStep({ description: "Twice the message", config: empty, create: () => (message, emit) => (emit(message), emit(message)) }) },
  setup: () => {},
});

const chicken = definePlugin({ name: "chicken", description: "Needs the egg", config: empty, needs: { egg: right }, provides: { chicken: left }, setup: () => ({ chicken: {} }) });
const egg = definePlugin({ name: "egg", description: "Needs the chicken", config: empty, needs: { chicken: left }, provides: { egg: right }, setup: () => ({ egg: {} }) });

/** Every sample by name. */
export const samplePlugins: Readonly<Record<string, AnyPlugin>> = { http, auth, websocket, historian, chicken, egg };

/** A host on which only these plugins, these variables and these files are there. */
export function sampleHost(text: string, env: Readonly<Record<string, string>> = {}, files: Readonly<Record<string, string>> = {}): ConfigHost {
  const all: Readonly<Record<string, string>> = { ...files, "busbar.yaml": text, "busbar.json": text };
  return {
    env: (name) => env[name],
    resolve: (_file, relative) => relative.replace(/^\.\//, ""),
    readText: async (path) => all[path] ?? Promise.reject(Object.assign(new Error(path), { code: "ENOENT" })),
    importModule: async () => ({}),
    loadPlugin: async (use) => samplePlugins[use] ?? Promise.reject(new BusbarError("NOT_FOUND", `Cannot find plugin "${use}"`)),
    pluginPackage: async () => undefined,
    probePlugin: () => Promise.reject(new BusbarError("CONFIG", "there are no isolates here")),
    installed: async () => Object.keys(samplePlugins),
  };
}

/** The lines that `busbar check` would print for this text. */
export async function problemLines(text: string, env?: Readonly<Record<string, string>>, files?: Readonly<Record<string, string>>): Promise<readonly string[]> {
  return (await loadConfig("busbar.yaml", sampleHost(text, env, files))).problems.map(formatProblem);
}
