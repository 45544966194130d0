import { dirname, resolve } from "node:path";
import type { PermissionManifest } from "./manifest.ts";
import { fillIn } from "./template.ts";

/** One address that may be listened on or connected to. */
export interface NetPermission {
  readonly action: "listen" | "connect";
  /** A name or an address; an IPv6 address without brackets. */
  readonly host: string;
  /** Undefined: every port. 0 of `listen`: whichever is free. */
  readonly port: number | undefined;
}

/** What a plugin, or a whole gateway, may touch: a manifest with a config filled in. */
export interface Permissions {
  readonly net: readonly NetPermission[];
  /** Absolute paths: files, and folders with everything below them. */
  readonly read: readonly string[];
  readonly write: readonly string[];
  /** Names of environment variables. */
  readonly env: readonly string[];
  /** Names of Deno's --allow-sys. */
  readonly sys: readonly string[];
}

/** The ports of URLs that name none, by scheme (RFC 9110 §4.2, RFC 6455 §3, MQTT's and OPC UA's registrations with IANA). */
const defaultPorts: Readonly<Record<string, number>> = { "http:": 80, "https:": 443, "ws:": 80, "wss:": 443, "mqtt:": 1883, "mqtts:": 8883, "opc.tcp:": 4840, "tcp:": 0 };

/**
 * Fills a config into a manifest. Relative paths start from `cwd`.
 * @throws {RangeError} for an entry of `net` that then is no address.
 */
export function resolvePermissions(manifest: PermissionManifest, config: unknown, cwd: string): Permissions {
  const filled = (entries: readonly string[]): readonly string[] => [...new Set(entries.flatMap((entry) => fillIn(entry, config)))];
  const path = (text: string): string => (text.startsWith("folder:") ? dirname(resolve(cwd, text.slice("folder:".length))) : resolve(cwd, text));
  return {
    net: filled(manifest.net).map(parseAddress),
    read: filled(manifest.read).map(path),
    write: filled(manifest.write).map(path),
    env: filled(manifest.env),
    sys: manifest.sys,
  };
}

/** Several permissions as one, without repetitions. */
export function mergePermissions(all: readonly Permissions[]): Permissions {
  const merged = (kind: "read" | "write" | "env" | "sys"): readonly string[] => [...new Set(all.flatMap((one) => one[kind]))].sort();
  const net = new Map(all.flatMap((one) => one.net).map((one) => [JSON.stringify(one), one]));
  return { net: [...net.values()], read: merged("read"), write: merged("write"), env: merged("env"), sys: merged("sys") };
}

function parseAddress(entry: string): NetPermission {
  const action = entry.startsWith("listen:") ? "listen" : "connect";
  const text = entry.slice(action.length + 1);
  const { host, port } = text.includes("://") ? ofUrl(text) : ofPair(text);
  if (host === "" || !(port >= 0 && port <= 65_535)) throw new RangeError(`Cannot use ${JSON.stringify(entry)} as a permission: it is no host and port`);
  return { action, host, port: action === "connect" && port === 0 ? undefined : port };
}

function ofUrl(text: string): { readonly host: string; readonly port: number } {
  const { hostname, port, protocol } = URL.parse(text) ?? { hostname: "", port: "", protocol: "" };
  return { host: bare(hostname), port: port === "" ? (defaultPorts[protocol] ?? 0) : Number(port) };
}

function ofPair(text: string): { readonly host: string; readonly port: number } {
  const cut = text.lastIndexOf(":");
  return { host: bare(text.slice(0, Math.max(0, cut))), port: /^\d{1,5}$/.test(text.slice(cut + 1)) ? Number(text.slice(cut + 1)) : -1 };
}

const bare = (host: string): string => host.replace(/^\[(.*)\]$/, "$1");

/** An address as Deno and people write it: `127.0.0.1:8080`, `[::1]:8080`, or the host alone for every port. */
export function formatAddress({ host, port }: NetPermission): string {
  const name = host.includes(":") ? `[${host}]` : host;
  return port === undefined ? name : `${name}:${port}`;
}
