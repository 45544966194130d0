import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodesets, OPCUACertificateManager, OPCUAServer, type OPCUAServerOptions, setErrorLogger, setWarningLogger, type UserManagerOptions } from "node-opcua";
import { addPress, type Press } from "./press.ts";
import { pressNodeset } from "./press-nodeset.ts";

setErrorLogger(() => {});
setWarningLogger(() => {});

/** What a fixture may be told. Further settings go to node-opcua as they are. */
export interface OpcuaFixtureOptions {
  /** TCP port; default 0 = any free one. */
  readonly port?: number;
  /** Namespaces that are registered before the fixture's own, so that indexes differ from one start to the next. */
  readonly namespacesBefore?: readonly string[];
  /** Names and passwords; default none. Anonymous always is. */
  readonly users?: Readonly<Record<string, string>>;
  readonly server?: Partial<OPCUAServerOptions>;
}

/** A running server with one machine, `/Objects/Plant/press-1`. */
export interface OpcuaFixture {
  readonly server: OPCUAServer;
  readonly url: string;
  readonly port: number;
  readonly press: Press;
  /** The folder of keys and certificates; gone after `close`. */
  readonly pki: string;
  close(): Promise<void>;
}

/** The namespace of the fixture's nodes. */
export const plantNamespace = "urn:busbar:test:plant";

/** Starts the server: no security unless `server` says so. Takes one to two seconds. */
export async function openOpcuaFixture(options: OpcuaFixtureOptions = {}): Promise<OpcuaFixture> {
  const pki = mkdtempSync(join(tmpdir(), "busbar-opcua-server-"));
  const file = join(pki, "press.NodeSet2.xml");
  writeFileSync(file, pressNodeset);
  const manager = new OPCUACertificateManager({ rootFolder: join(pki, "pki"), automaticallyAcceptUnknownCertificate: true, disableFileWatchers: true });
  const users = options.users ?? {};
  const userManager: UserManagerOptions = { isValidUser: (name: string, password: string) => users[name] !== undefined && users[name] === password };
  const server = new OPCUAServer({
    hostname: "127.0.0.1",
    alternateHostname: [],
    port: options.port ?? 0,
    serverCertificateManager: manager,
    userManager,
    nodeset_filename: [nodesets.standard, file],
    serverInfo: { applicationUri: "urn:busbar:test:server", productUri: "busbar-test" },
    buildInfo: { productName: "Busbar test server", manufacturerName: "Busbar", softwareVersion: "1.0.0" },
    ...options.server,
  } as OPCUAServerOptions);
  await server.initialize();
  const space = server.engine.addressSpace!;
  for (const uri of options.namespacesBefore ?? []) space.registerNamespace(uri);
  const press = addPress(space, space.registerNamespace(plantNamespace));
  await server.start();
  const url = server.getEndpointUrl();
  return {
    server,
    url,
    port: Number(new URL(url.replace("opc.tcp:", "http:")).port),
    press,
    pki,
    async close() {
      await server.shutdown(0);
      await manager.dispose();
      rmSync(pki, { recursive: true, force: true });
    },
  };
}
