import { generateKeyPairSync, randomBytes, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { commandFor, envelopeJson, envelopeProto } from "@busbar/core";
import { PeerDriver } from "@busbar/core/testkit";
import { forgeToken, hmac } from "../../../plugins/auth-jwt/forged-token.ts";
import { startGatewayProcess, type GatewayProcess } from "../../faults/gateway-process.ts";
import type { Sections } from "../../faults/rig.ts";
import { openPeer } from "../../support/open-peer.ts";
import { GatewayOutput } from "./gateway-output.ts";
import { sendRequest, type HttpAnswer, type HttpRequest } from "./http-request.ts";
import { RawSocket } from "./raw-socket.ts";
import { Secrets } from "./secrets.ts";
import { targetSections } from "./target-config.ts";

/** How a target differs from the usual one. */
export interface TargetOptions {
  /** Fields that are put into the sections of plugins, or further sections. */
  readonly plugins?: Sections;
  readonly gateway?: object;
  readonly routes?: readonly object[];
  /** File descriptors that its process may have. Default: as many as the test's. */
  readonly files?: number;
}

/** Claims of a token besides `sub`; `aud` and `exp` are filled in unless given, `undefined` leaves them out. */
export type Claims = Readonly<Record<string, unknown>>;

/** A gateway of its own process that is attacked, what an attacker may know of it, and what nobody may. */
export class AttackTarget {
  readonly folder: string;
  readonly process: GatewayProcess;
  readonly output: GatewayOutput;
  readonly secrets: Secrets;
  /** The secret that signs tokens of the kid "shared". */
  readonly hs256: string;
  readonly listenerToken: string;
  readonly deviceSecret: string;
  readonly rsa: { readonly publicKey: KeyObject; readonly privateKey: KeyObject };
  readonly ec: { readonly publicKey: KeyObject; readonly privateKey: KeyObject };
  #ports: ReadonlyMap<string, number> = new Map();
  #tokens = 0;
  #clients: (() => void)[] = [];

  private constructor(parts: Pick<AttackTarget, "folder" | "process" | "output" | "secrets" | "hs256" | "listenerToken" | "deviceSecret" | "rsa" | "ec">) {
    this.folder = parts.folder;
    this.process = parts.process;
    this.output = parts.output;
    this.secrets = parts.secrets;
    this.hs256 = parts.hs256;
    this.listenerToken = parts.listenerToken;
    this.deviceSecret = parts.deviceSecret;
    this.rsa = parts.rsa;
    this.ec = parts.ec;
  }

  /** Starts one on the runtime under test, in a temporary folder, on ports that are free. */
  static async open({ plugins = {}, gateway = {}, routes = [], files }: TargetOptions = {}): Promise<AttackTarget> {
    const folder = await mkdtemp(join(tmpdir(), "busbar-attacks-"));
    await mkdir(join(folder, "data"), { mode: 0o700 });
    const secrets = new Secrets();
    const hs256 = secrets.keep("the HS256 secret", randomBytes(32).toString("base64url"));
    const listenerToken = secrets.keep("the listener token", randomBytes(24).toString("base64url"));
    const deviceSecret = secrets.keep("the device's secret", randomBytes(24).toString("base64url"));
    const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
    for (const [name, { publicKey }] of Object.entries({ rsa, ec })) await writeFile(join(folder, `${name}.pem`), publicKey.export({ type: "spki", format: "pem" }));
    const sections = await targetSections({ hs256, listenerToken, deviceSecret });
    const merged = { ...sections, ...Object.fromEntries(Object.entries(plugins).map(([id, section]) => [id, { ...sections[id], ...section }])) };
    await writeFile(join(folder, "busbar.json"), JSON.stringify({ plugins: merged, routes, gateway: { log: { level: "debug" }, ...gateway } }, undefined, 2));
    const output = new GatewayOutput(secrets);
    const process = startGatewayProcess({ folder, runtime: { name: "the one under test", command: commandFor }, env: { ATTACK_HS256: hs256, ATTACK_LISTENER_TOKEN: listenerToken }, heard: output.hear, ...(files !== undefined && { prefix: ["sh", "-c", `ulimit -n ${files}; exec "$@"`, "sh"] }) });
    const target = new AttackTarget({ folder, process, output, secrets, hs256, listenerToken, deviceSecret, rsa, ec });
    await process.ready.catch(async (error: unknown) => {
      await rm(folder, { recursive: true, force: true });
      throw error;
    });
    secrets.keep("the signing key", readFileSync(join(folder, "data", "signing.key"), "utf8").trim());
    target.#ports = portsOf(output.stdout);
    return target;
  }

  /** The port of the plugin instance with that id: http, tcp, iot, users, line. */
  port(id: string): number {
    const port = this.#ports.get(id);
    if (port === undefined) throw new RangeError(`Cannot attack "${id}": the listeners are ${[...this.#ports.keys()].join(", ")}`);
    return port;
  }

  /** The path of a file in the gateway's folder. */
  path(name: string): string {
    return join(this.folder, name);
  }

  /** A good token, signed as its issuer would; it is a secret from now on. */
  token(sub: unknown, claims: Claims = {}): string {
    return this.secrets.keepToken(`token ${++this.#tokens} of ${String(sub).slice(0, 40)}`, forgeToken({ alg: "HS256", typ: "JWT", kid: "shared" }, this.claims(sub, claims), hmac(this.hs256)));
  }

  /** The claims of a good token, and what is wrong with them. */
  claims(sub: unknown, claims: Claims = {}): Claims {
    return { sub, aud: "busbar", exp: Math.floor(Date.now() / 1000) + 3600, roles: ["device"], ...claims };
  }

  /** A token that may do everything. */
  admin(sub: string = "operator"): string {
    return this.token(sub, { roles: ["admin"], user: true });
  }

  /** One HTTP request. */
  http(request: HttpRequest): Promise<HttpAnswer> {
    return sendRequest(this.port("http"), request);
  }

  /** A connection that nobody has said anything on yet. */
  raw(id: string): Promise<RawSocket> {
    const socket = new RawSocket(this.port(id));
    this.own(() => socket.destroy());
    return socket.opened();
  }

  /** A session before its login: `ws` JSON over WebSocket, `ws-proto` protobuf over WebSocket, `tcp` protobuf over TCP. */
  async session(transport: SessionTransport): Promise<PeerDriver> {
    const codec = transport === "ws" ? envelopeJson : envelopeProto;
    const url = transport === "tcp" ? `tcp://127.0.0.1:${this.port("tcp")}` : `ws://127.0.0.1:${this.port("http")}/ws`;
    const peer = new PeerDriver(await openPeer(url, codec), codec);
    this.own(() => peer.destroy());
    return peer;
  }

  /** A session that is logged in. */
  async login(transport: SessionTransport, token: string, deviceId: string): Promise<PeerDriver> {
    const peer = await this.session(transport);
    peer.auth(token, deviceId);
    const answer = await peer.next("auth_response");
    if (answer["status"] !== "success") throw new Error(`Cannot log in as ${deviceId}: ${JSON.stringify(answer)}`);
    return peer;
  }

  /** A client to be ended when the attack is over. */
  own(close: () => void): void {
    this.#clients.push(close);
  }

  /** Ends every client since the last time, or leaves them to themselves. */
  forgetClients(fate: "end" | "keep"): void {
    for (const close of this.#clients.splice(0)) if (fate === "end") close();
  }

  /** The text of /metrics. */
  async metrics(): Promise<string> {
    return (await this.http({ path: "/metrics" })).body;
  }

  /** Ends it at once and takes its folder away. */
  async destroy(): Promise<void> {
    this.forgetClients("end");
    await this.process.kill();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** The transports that have a login. */
export type SessionTransport = "ws" | "ws-proto" | "tcp";

/** All of them. */
export const sessionTransports: readonly SessionTransport[] = ["ws", "ws-proto", "tcp"];

/** The port that each instance listens on, out of what `busbar start --json` announces. */
function portsOf(stdout: string): ReadonlyMap<string, number> {
  const line = /^\{"plugins".*\}$/m.exec(stdout)?.[0] ?? "{}";
  const { plugins = [] } = JSON.parse(line) as { readonly plugins?: readonly { readonly id: string; readonly addresses: readonly { readonly url: string }[] }[] };
  return new Map(plugins.flatMap(({ id, addresses }) => (addresses[0] ? [[id, Number(new URL(addresses[0].url).port)] as const] : [])));
}
