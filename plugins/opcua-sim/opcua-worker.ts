/*
 * The thread of the OPC UA server. Nothing imports it: `openOpcuaServer` starts it at the first connection, so that a gateway that nobody
 * asks over OPC UA never loads node-opcua (some 0.6 s and 100 MB).
 */
import { timingSafeEqual, createHash } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { MessageSecurityMode, nodesets, OPCUACertificateManager, OPCUAServer, SecurityPolicy, ServerEngine, setDebugLogger, setErrorLogger, setWarningLogger } from "node-opcua";
import type { Answer, FromServer, OpcuaSettings, OpcuaWorkerData, Question, ToServer } from "./opcua-messages.ts";
import { typesNodeset } from "./opcua-types.ts";
import { createOpcuaSpace, type OpcuaSpace, plantNamespace } from "./opcua-space.ts";

const say = (message: FromServer): void => parentPort!.postMessage(message);

/** node-opcua writes to the console with colours: the gateway's log takes it instead. */
const logTo = (level: "debug" | "warn" | "error") => (...parts: unknown[]): void =>
  say({ kind: "log", level, message: parts.map(String).join(" ").replace(/\u001b\[[0-9;]*m/g, "").replace(/\s+/g, " ").trim().slice(0, 1_000) });
setDebugLogger(logTo("debug"));
setWarningLogger(logTo("debug"));
setErrorLogger(logTo("warn"));

const { settings, machines, snapshot, shiftedNamespace, otherCertificate } = workerData as OpcuaWorkerData;
const questions = new Map<number, (answer: Answer) => void>();
let lastQuestion = 0;
let space: OpcuaSpace | undefined;
let server: OPCUAServer | undefined;

parentPort!.on("message", (message: ToServer) => {
  switch (message.kind) {
    case "values":
      space?.show(message);
      return say({ kind: "taken" });
    case "answer":
      questions.get(message.id)?.(message.answer);
      questions.delete(message.id);
      return;
    case "stop":
      void stop();
  }
});

try {
  server = await createServer(settings);
  // With another namespace in the server's own place the plant's comes behind it, as after a restart with other namespaces loaded.
  if (shiftedNamespace) Object.defineProperty(ServerEngine.prototype, "serverNamespaceUrn", { value: `${plantNamespace}:server` });
  await server.initialize();
  space = createOpcuaSpace(server, { machines, snapshot, sampling: settings.sampling, history: settings.history > 0, ask });
  await server.start();
  const endpoint = server.endpoints[0]!;
  const { port } = endpoint;
  endpoint.port = settings.port; // endpoint descriptions are made of it when a client asks: they must name the public port
  say({ kind: "listening", port });
} catch (error) {
  say({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
}

function ask(question: Question): Promise<Answer> {
  const id = ++lastQuestion;
  return new Promise((resolve) => {
    questions.set(id, resolve);
    say({ kind: "question", id, question });
  });
}

async function stop(): Promise<void> {
  try {
    await server?.shutdown(0);
  } catch (error) {
    logTo("error")(error);
  }
  say({ kind: "stopped" });
}

async function createServer(settings: OpcuaSettings): Promise<OPCUAServer> {
  const store = (name: string): OPCUACertificateManager =>
    new OPCUACertificateManager({ rootFolder: join(settings.pki, name), automaticallyAcceptUnknownCertificate: settings.acceptUnknownClients, disableFileWatchers: true });
  const [applications, people] = [store("server"), store("user")];
  await applications.initialize();
  await people.initialize();
  for (const file of settings.trustedClients) await applications.trustCertificate(certificateIn(file));
  const typesFile = join(settings.pki, "plant-types.xml");
  const nodeset = typesNodeset(machines);
  if (nodeset !== undefined) writeFileSync(typesFile, nodeset);
  const types = nodeset === undefined ? [] : [typesFile];
  const otherFile = join(settings.pki, "server", "own", "certs", "other.pem");
  if (otherCertificate) rmSync(otherFile, { force: true }); // each time a new one
  const policies = settings.securityPolicies.map((name) => SecurityPolicy[name]);
  const open = settings.securityPolicies.includes("None") ? [MessageSecurityMode.None] : [];
  const secured = settings.securityPolicies.some((name) => name !== "None") ? [MessageSecurityMode.Sign, MessageSecurityMode.SignAndEncrypt] : [];
  const atMost = (asked: number, limit: number): number => (asked === 0 ? limit : Math.min(asked, limit)); // 0 = no limit (OPC 10000-6 §7.1.2.3)
  return new OPCUAServer({
    host: "127.0.0.1",
    port: settings.innerPort ?? 0,
    hostname: settings.hostname,
    nodeset_filename: [nodesets.standard, ...types],
    serverInfo: { applicationUri: plantNamespace, productUri: "urn:busbar", applicationName: { text: "Busbar simulated plant" } },
    buildInfo: { productName: "Busbar simulated plant", manufacturerName: "Busbar" },
    serverCertificateManager: applications,
    ...(otherCertificate ? { certificateFile: otherFile } : {}),
    userCertificateManager: people,
    securityPolicies: policies,
    securityModes: [...open, ...secured],
    allowAnonymous: settings.anonymous,
    userManager: { isValidUser: (name: string, password: string) => settings.users.some((user) => user.name === name && samePassword(user.password, password)) },
    maxConnectionsPerEndpoint: settings.maxConnections,
    serverCapabilities: {
      maxSessions: settings.maxSessions,
      maxSubscriptions: settings.maxSubscriptions,
      maxSubscriptionsPerSession: settings.maxSubscriptions,
      maxMonitoredItems: settings.maxMonitoredItems,
      maxMonitoredItemsPerSubscription: settings.maxMonitoredItems,
      maxMonitoredItemsQueueSize: 1_000,
      maxArrayLength: 65_536,
      maxStringLength: 65_536,
      maxByteStringLength: 1_048_576,
      maxBrowseContinuationPoints: 10,
      operationLimits: { maxNodesPerRead: 10_000, maxNodesPerWrite: 1_000, maxNodesPerBrowse: 1_000, maxMonitoredItemsPerCall: 10_000, maxNodesPerRegisterNodes: 1_000, maxNodesPerTranslateBrowsePathsToNodeIds: 1_000, maxNodesPerMethodCall: 100 },
    },
    transportSettings: {
      adjustTransportLimits: (hello) => ({
        receiveBufferSize: atMost(hello.receiveBufferSize, 65_535),
        sendBufferSize: atMost(hello.sendBufferSize, 65_535),
        maxMessageSize: atMost(hello.maxMessageSize, settings.maxMessageSize),
        maxChunkCount: atMost(hello.maxChunkCount, settings.maxChunkCount),
      }),
    },
  });
}

function certificateIn(file: string): Buffer {
  const bytes = readFileSync(file);
  const pem = /-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----/.exec(bytes.toString("latin1"))?.[1];
  if (bytes[0] !== 0x30 && pem === undefined) throw new Error(`Cannot trust the certificate in "${file}": it is neither PEM nor DER`);
  return pem === undefined ? bytes : Buffer.from(pem, "base64");
}

function samePassword(wanted: string, given: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(wanted), digest(given));
}
