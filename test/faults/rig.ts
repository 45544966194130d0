import { writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { configSchema, issueToken } from "@busbar/auth-jwt";
import * as v from "valibot";
import { startGatewayProcess, type GatewayProcess, type GatewayProcessOptions } from "./gateway-process.ts";
import type { Runtime } from "./scenario.ts";

/** The sections of plugins in a config, by instance. */
export type Sections = Readonly<Record<string, object>>;

/** A folder with a gateway's config and data, in which it is started again and again. */
export interface Rig extends AsyncDisposable {
  readonly folder: string;
  /** The journal's file. */
  readonly file: string;
  /** A token for everything. */
  tokenFor(id: string): Promise<string>;
  /** Starts the gateway, see `startGatewayProcess`; `plugins` are sections in the place of those of the same name, this time. */
  start(options?: Pick<GatewayProcessOptions, "prefix" | "heard"> & { readonly plugins?: Sections }): GatewayProcess;
}

/** How the rig is made. */
export interface RigOptions {
  readonly runtime: Runtime;
  /** Plugins besides storage, identity and the three listeners, or in their place. */
  readonly plugins?: Sections;
  readonly gateway?: object;
  /** The section `routes`. */
  readonly routes?: readonly object[];
}

const auth = { keyFile: "signing.key", roles: { all: { publish: ["#"], subscribe: ["#"] } } };

/** Messages whose sender and msgid the gateway knows: far more than all sources have in flight, and quickly read at a start. */
const dedupeWindow = 5000;

/** Makes one: a gateway with storage, identity, and listeners for TCP, WebSocket and HTTP on free ports. */
export async function createRig({ runtime, plugins = {}, gateway = {}, routes = [] }: RigOptions): Promise<Rig> {
  const folder = await mkdtemp(join(tmpdir(), "busbar-faults-"));
  const sections: Sections = { "storage-sqlite": { file: "data/busbar.db" }, "auth-jwt": auth, http: { port: 0 }, websocket: {}, "tcp-protobuf": { port: 0 }, ...plugins };
  const settings = { log: { level: "error" }, dedupeWindow, ...gateway };
  const checked = v.parse(configSchema, auth);
  const running = new Set<GatewayProcess>();
  return {
    folder,
    file: join(folder, "data", "busbar.db"),
    tokenFor: (id) => issueToken(checked, { id, roles: ["all"], ttl: 86_400, user: false }, { path: (file) => join(folder, file) }),
    start({ prefix, heard, plugins = {} } = {}) {
      writeFileSync(join(folder, "busbar.json"), JSON.stringify({ plugins: { ...sections, ...plugins }, gateway: settings, routes }, undefined, 2));
      const gateway = startGatewayProcess({ folder, runtime, ...(prefix && { prefix }), ...(heard && { heard }) });
      running.add(gateway);
      void gateway.ended.finally(() => running.delete(gateway)).catch(() => {});
      return gateway;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...running].map((gateway) => gateway.kill()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}
