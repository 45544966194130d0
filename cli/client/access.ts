import process from "node:process";
import { isId, loadConfig, type CheckedConfig } from "@busbar/core";
import { defaultConfig, readConfig } from "../config-file.ts";
import type { OptionValues } from "../command.ts";
import { Failure, usageFailure } from "../failure.ts";
import { mintToken } from "../mint-token.ts";
import { authorityOption, readAuthorities } from "./authorities.ts";

/** The options of every command that talks to a running gateway. */
export const accessOptions = {
  url: { kind: "text", value: "url", text: "where the gateway is (default: as the config says, else ws://127.0.0.1:8080/ws)" },
  token: { kind: "text", value: "token", text: "a token; BUSBAR_TOKEN in the environment does the same and is not seen by ps" },
  config: { kind: "text", value: "file", text: "without a token: the config whose key signs one for this command (default busbar.yaml)" },
  role: { kind: "text", value: "role", many: true, text: "roles of a token that is signed here" },
  ...authorityOption,
} as const;

/** How a command reaches a gateway, and with which token. */
export interface Access {
  /** Undefined where the config says nothing about the protocol. */
  readonly url: URL;
  /** The authorities that may have signed its certificate, PEM; undefined = those that the runtime knows. */
  readonly ca: string | undefined;
  /** A token for an id. With a token that was given it is that one, whatever the id. */
  tokenFor(id: string): Promise<string>;
  /** The id that a given token is for; undefined when tokens are signed here. */
  readonly subject: string | undefined;
}

/** The protocols that a URL may name; a path is filled in where it has none. */
const webSocketSchemes: Readonly<Record<string, string>> = { "ws:": "ws:", "wss:": "wss:", "http:": "ws:", "https:": "wss:" };

/**
 * Finds out where the gateway is and who we are there. `roles` and `ttl` (seconds) are for tokens that are signed here.
 * @throws {Failure} 64 without a token and a config, or with a URL that is none; 78 when the config is wrong.
 */
export async function openAccess(
  options: OptionValues<typeof accessOptions>,
  want: { readonly roles: readonly string[]; readonly ttl: number; readonly user: boolean; readonly protocol: "ws" | "tcp" },
): Promise<Access> {
  const given = options.token ?? process.env["BUSBAR_TOKEN"];
  const config = await findOwnConfig(options.config, given === undefined);
  const url = options.url === undefined ? configUrl(config, want.protocol) : parseUrl(options.url, want.protocol);
  const ca = await readAuthorities(options.ca);
  if (given !== undefined) return { url, ca, tokenFor: async () => given, subject: subjectOf(given) };
  if (config === undefined) throw usageFailure("no token: give --token or BUSBAR_TOKEN, or --config with the config of the gateway");
  const roles = options.role.length > 0 ? options.role : want.roles;
  return { url, ca, tokenFor: (id) => mintToken(config, { id, roles, ttl: want.ttl, user: want.user }), subject: undefined };
}

/** The config that is named, else the default one. Where only the URL could come from it, one that is wrong is none. */
async function findOwnConfig(named: string | undefined, needed: boolean): Promise<CheckedConfig | undefined> {
  const file = named ?? (await defaultConfig());
  if (file === undefined) return undefined;
  if (named !== undefined || needed) return await readConfig(file);
  return (await loadConfig(file)).config;
}

function parseUrl(text: string, protocol: "ws" | "tcp"): URL {
  const url = URL.parse(text);
  if (protocol === "tcp") {
    if ((url?.protocol === "tcp:" || url?.protocol === "tls:") && url.port !== "") return url;
    throw usageFailure(`--url must be such as tcp://127.0.0.1:7000 or tls://gateway:7000, not "${text}"`);
  }
  const scheme = url === null ? undefined : webSocketSchemes[url.protocol];
  if (url === null || scheme === undefined) throw usageFailure(`--url must be such as ws://127.0.0.1:8080/ws, not "${text}"`);
  return new URL(`${scheme}//${url.host}${url.pathname === "/" ? "/ws" : url.pathname}`);
}

/** Where the config's own listener is, reached from this machine. */
function configUrl(config: CheckedConfig | undefined, protocol: "ws" | "tcp"): URL {
  const section = (name: string): { readonly [key: string]: unknown } => (config?.instances.find(({ plugin }) => plugin.name === name)?.config ?? {}) as { readonly [key: string]: unknown };
  const listener = section(protocol === "ws" ? "http" : "tcp-protobuf");
  const port = typeof listener["port"] === "number" && listener["port"] > 0 ? listener["port"] : protocol === "ws" ? 8080 : 7000;
  const host = typeof listener["host"] === "string" ? localName(listener["host"]) : "127.0.0.1";
  if (protocol === "tcp") return new URL(`${listener["tls"] === undefined ? "tcp" : "tls"}://${host}:${port}`);
  const path = section("websocket")["path"];
  return new URL(`${listener["tls"] === undefined ? "ws" : "wss"}://${host}:${port}${typeof path === "string" ? path : "/ws"}`);
}

function localName(host: string): string {
  return host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "[::1]" : host.includes(":") ? `[${host}]` : host;
}

/** Who a token is for, read without checking it: the gateway does that. */
function subjectOf(token: string): string {
  try {
    const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as { readonly sub?: unknown };
    if (typeof claims.sub === "string" && isId(claims.sub)) return claims.sub;
  } catch {
    // said below, as for a token that is JSON without a subject
  }
  throw new Failure(64, ["busbar: the token is no JSON Web Token with a subject"]);
}
