import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { createLog, type LogRecord, systemClock } from "@busbar/core";
import {
  AttributeIds,
  BrowseDirection,
  ClientMonitoredItem,
  type ClientSession,
  type ClientSubscription,
  DataType,
  type DataValue,
  type EUInformation,
  makeBrowsePath,
  MessageSecurityMode,
  OPCUACertificateManager,
  OPCUAClient,
  type Range,
  SecurityPolicy,
  setErrorLogger,
  setWarningLogger,
  StatusCodes,
  TimestampsToReturn,
  type UserIdentityInfo,
  UserTokenType,
  Variant,
} from "node-opcua";
import * as v from "valibot";
import { compilePlant } from "./compiled-plant.ts";
import { defaultPlant } from "./default-plant.ts";
import { Faults } from "./faults.ts";
import { openOpcuaServer, type OpcuaServer } from "./opcua-server.ts";
import { plantSchema } from "./plant.ts";
import { Simulation } from "./simulation.ts";

/*
 * One server for the file, as it takes seconds to start; the tests run in order. It trusts one client and no other.
 */
setErrorLogger(() => {});
setWarningLogger(() => {});
const folder = mkdtempSync(join(tmpdir(), "busbar-opcua-"));
const simulation = new Simulation(compilePlant(v.parse(plantSchema, defaultPlant)), { start: Date.now() });
const records: LogRecord[] = [];
const refused = { value: 0 };
let server: OpcuaServer;
let trusted: OPCUACertificateManager;
let unknown: OPCUACertificateManager;

before(async () => {
  trusted = await certificates("trusted");
  unknown = await certificates("unknown");
  const certificate = join(folder, "trusted.pem");
  await trusted.createSelfSignedCertificate({ applicationUri: "urn:busbar:test", subject: "/CN=busbar test", dns: ["localhost"], startDate: new Date(), validity: 10, outputFile: certificate });
  await unknown.createSelfSignedCertificate({ applicationUri: "urn:busbar:other", subject: "/CN=somebody", dns: ["localhost"], startDate: new Date(), validity: 10, outputFile: join(folder, "unknown.pem") });
  server = await openOpcuaServer({
    simulation,
    faults: new Faults(systemClock),
    history: undefined,
    writes: { allowed: true, permits: () => true, check: () => {} },
    clock: systemClock,
    log: createLog({ clock: systemClock, level: "debug", write: (record) => void records.push(record) }),
    refused,
    host: "127.0.0.1",
    port: 0,
    helloTimeout: 1_000,
    settings: {
      hostname: "127.0.0.1",
      history: 0,
      pki: join(folder, "pki"),
      securityPolicies: ["None", "Basic256Sha256"],
      acceptUnknownClients: false,
      trustedClients: [certificate],
      anonymous: true,
      users: [{ name: "operator", password: "a long password" }],
      maxConnections: 5,
      maxSessions: 4,
      maxSubscriptions: 10,
      maxMonitoredItems: 1_000,
      maxMessageSize: 1_048_576,
      maxChunkCount: 32,
      sampling: 100,
    },
  });
});

after(async () => {
  await server.close();
  await trusted.dispose();
  await unknown.dispose();
  rmSync(folder, { recursive: true, force: true });
});

async function certificates(name: string): Promise<OPCUACertificateManager> {
  const manager = new OPCUACertificateManager({ rootFolder: join(folder, name), automaticallyAcceptUnknownCertificate: true, disableFileWatchers: true });
  await manager.initialize();
  return manager;
}

/** What a client is: secured ones come with the certificate of one of the two. */
interface ClientKind {
  readonly secured?: "trusted" | "unknown";
  readonly user?: UserIdentityInfo;
}

function createClient(kind: ClientKind = {}): OPCUAClient {
  const own = kind.secured === "trusted" ? trusted : unknown;
  const name = kind.secured ?? "unknown";
  return OPCUAClient.create({
    applicationUri: name === "trusted" ? "urn:busbar:test" : "urn:busbar:other",
    clientCertificateManager: own,
    certificateFile: join(folder, `${name}.pem`),
    privateKeyFile: own.privateKey,
    connectionStrategy: { maxRetry: 0 },
    ...(kind.secured ? { securityMode: MessageSecurityMode.SignAndEncrypt, securityPolicy: SecurityPolicy.Basic256Sha256 } : {}),
  });
}

async function withSession<T>(kind: ClientKind, use: (session: ClientSession) => Promise<T>): Promise<T> {
  const client = createClient(kind);
  await client.connect(server.url);
  try {
    const session = await client.createSession(kind.user ?? { type: UserTokenType.Anonymous });
    try {
      return await use(session);
    } finally {
      await session.close();
    }
  } finally {
    await client.disconnect();
  }
}

const valueOf = (machine: string, name: string) => simulation.value(simulation.machine(machine)!.tags.find((tag) => tag.name === name)!);
const write = (session: ClientSession, nodeId: string, dataType: DataType, value: unknown) =>
  session.write({ nodeId, attributeId: AttributeIds.Value, value: { value: new Variant({ dataType, value }) } });

test("openOpcuaServer() opens its port without loading node-opcua and turns away who does not say hello", async () => {
  for (const bytes of ["GET / HTTP/1.1\r\n", "HELP"]) {
    const socket = connect(server.port, "127.0.0.1");
    socket.write(bytes);
    await once(socket, "close");
  }
  const silent = connect(server.port, "127.0.0.1");
  await once(silent, "close");
  assert.equal(refused.value, 3);
  assert.equal(server.loaded, false);
});

test("openOpcuaServer() names its public port in its endpoints", async () => {
  const client = createClient();
  await client.connect(server.url);
  const endpoints = await client.getEndpoints();
  await client.disconnect();
  assert.deepEqual([...new Set(endpoints.map((endpoint) => endpoint.endpointUrl))], [server.url]);
  const offers = endpoints.map((endpoint) => `${endpoint.securityPolicyUri?.split("#")[1]} ${MessageSecurityMode[endpoint.securityMode]}`);
  assert.deepEqual(offers.sort(), ["Basic256Sha256 Sign", "Basic256Sha256 SignAndEncrypt", "None None"]);
  assert.equal(server.loaded, true);
});

test("openOpcuaServer() lets a client browse the plant", async () => {
  await withSession({}, async (session) => {
    const browse = async (nodeId: string) => {
      const references = (await session.browse({ nodeId, browseDirection: BrowseDirection.Forward, referenceTypeId: "HierarchicalReferences", includeSubtypes: true, resultMask: 63 })).references ?? [];
      return [...new Map(references.map((reference) => [reference.nodeId.toString(), reference])).values()]; // what tells events is named twice: by its place and as their source
    };
    const machines = await browse("ns=1;s=Plant");
    assert.deepEqual(machines.map((reference) => reference.browseName.name), simulation.plant.machines.map((machine) => machine.id));
    assert.deepEqual(machines.map((reference) => reference.displayName.text)[0], "Steam boiler");
    const tags = await browse(machines[1]!.nodeId.toString());
    const pump = simulation.machine("pump-1")!;
    assert.deepEqual(tags.map((reference) => reference.browseName.name).sort(), [...pump.tags.map((tag) => tag.name), ...pump.methods.map((method) => method.name), "flow-alarm", "vibration-alarm"].sort());
    const objects = await browse("ObjectsFolder");
    assert.ok(objects.some((reference) => reference.browseName.name === "Plant"));
  });
});

test("openOpcuaServer() gives values with engineering unit and range", async () => {
  await withSession({}, async (session) => {
    const property = async (name: string): Promise<unknown> => {
      const { targets } = await session.translateBrowsePath(makeBrowsePath("ns=1;s=boiler-1.pressure", `.${name}`));
      return (await session.read({ nodeId: targets![0]!.targetId, attributeId: AttributeIds.Value })).value.value;
    };
    const range = await property("EURange");
    const unit = await property("EngineeringUnits");
    assert.deepEqual([(range as Range).low, (range as Range).high], [0, 16]);
    assert.deepEqual([(unit as EUInformation).unitId, (unit as EUInformation).displayName.text], [4_342_098, "bar"]);
    const [pressure, open, mode, parts] = await session.read(["boiler-1.pressure", "press-1.guard-open", "press-1.mode", "press-1.parts"].map((tag) => ({ nodeId: `ns=1;s=${tag}`, attributeId: AttributeIds.Value })));
    assert.deepEqual([pressure!.value.dataType, pressure!.value.value], [DataType.Double, valueOf("boiler-1", "pressure")]);
    assert.deepEqual([open!.value.dataType, open!.value.value], [DataType.Boolean, valueOf("press-1", "guard-open")]);
    assert.deepEqual([mode!.value.dataType, mode!.value.value], [DataType.String, valueOf("press-1", "mode")]);
    assert.deepEqual([parts!.value.dataType, parts!.value.value], [DataType.Int32, valueOf("press-1", "parts")]);
    assert.equal(pressure!.sourceTimestamp!.getTime(), simulation.now);
  });
});

test("openOpcuaServer() writes a set point and refuses what the plant refuses", async () => {
  await withSession({}, async (session) => {
    const node = "ns=1;s=pump-1.speed-set";
    assert.equal(await write(session, node, DataType.Double, 2_000), StatusCodes.Good);
    assert.equal(valueOf("pump-1", "speed-set"), 2_000);
    assert.equal((await session.read({ nodeId: node })).value.value, 2_000);
    assert.equal(await write(session, node, DataType.Double, 3_000.5), StatusCodes.BadOutOfRange);
    assert.equal(await write(session, node, DataType.Double, Number.NaN), StatusCodes.BadTypeMismatch);
    assert.equal(await write(session, node, DataType.String, "fast"), StatusCodes.BadTypeMismatch);
    assert.equal(await write(session, "ns=1;s=lamp-1.on", DataType.Int32, 1), StatusCodes.BadTypeMismatch);
    assert.equal(await write(session, "ns=1;s=pump-1.flow", DataType.Double, 1), StatusCodes.BadNotWritable);
    assert.equal(await write(session, "ns=1;s=pump-9.flow", DataType.Double, 1), StatusCodes.BadNodeIdUnknown);
    const after = await session.read({ nodeId: node });
    assert.deepEqual([after.value.value, after.statusCode], [2_000, StatusCodes.Good]);
    assert.equal(valueOf("pump-1", "speed-set"), 2_000);
    assert.equal(await write(session, "ns=1;s=lamp-1.on", DataType.Boolean, true), StatusCodes.Good);
    assert.equal(valueOf("lamp-1", "on"), true);
  });
});

test("openOpcuaServer() tells a subscriber of new readings and of a set point written elsewhere", async () => {
  await withSession({}, async (session) => {
    const subscription: ClientSubscription = await session.createSubscription2({ requestedPublishingInterval: 50, requestedLifetimeCount: 100, requestedMaxKeepAliveCount: 10, publishingEnabled: true });
    const watch = async (tag: string, wanted: (data: DataValue) => boolean): Promise<{ readonly done: Promise<void> }> => {
      const item = ClientMonitoredItem.create(subscription, { nodeId: `ns=1;s=${tag}`, attributeId: AttributeIds.Value }, { samplingInterval: 50, queueSize: 100 }, TimestampsToReturn.Both);
      const done = new Promise<void>((resolve) => item.on("changed", (data) => wanted(data) && resolve()));
      await once(item, "initialized");
      return { done };
    };
    const next = simulation.now + 5_000;
    const flow = await watch("pump-1.flow", (data) => data.sourceTimestamp?.getTime() === next);
    const lamp = await watch("lamp-1.brightness", (data) => data.value.value === 42);
    simulation.command("lamp-1", { brightness: 42 }, simulation.now);
    simulation.step(next);
    await Promise.all([flow.done, lamp.done]);
    await subscription.terminate();
  });
});

test("openOpcuaServer() encrypts for a trusted client and refuses an unknown one", async () => {
  const value = await withSession({ secured: "trusted" }, async (session) => (await session.read({ nodeId: "ns=1;s=lamp-1.brightness" })).value.value as unknown);
  assert.equal(value, 42);
  await assert.rejects(withSession({ secured: "unknown" }, async () => {}));
  assert.equal(readdirSync(join(folder, "pki/server/rejected")).length, 1, "the refused certificate is kept for the operator to look at");
});

test("openOpcuaServer() knows its users by their passwords", async () => {
  const user = (password: string): ClientKind => ({ secured: "trusted", user: { type: UserTokenType.UserName, userName: "operator", password } });
  assert.equal(await withSession(user("a long password"), async (session) => (await session.read({ nodeId: "ns=1;s=lamp-1.brightness" })).value.value as unknown), 42);
  await assert.rejects(withSession(user("a wrong password"), async () => {}), /BadUserAccessDenied|BadIdentityTokenRejected/);
});

test("openOpcuaServer() turns away one connection too many", async () => {
  const before = refused.value;
  const kept = Array.from({ length: 5 }, () => connect(server.port, "127.0.0.1"));
  await Promise.all(kept.map((socket) => once(socket, "connect")));
  const extra = connect(server.port, "127.0.0.1");
  extra.on("error", () => {}); // whether it ends or is reset is up to the system
  await once(extra, "close");
  assert.equal(refused.value, before + 1);
  await Promise.all(kept.map((socket) => once(socket.destroy(), "close")));
});

test("openOpcuaServer() leaves what node-opcua prints to the log", () => {
  assert.ok(records.some((record) => record.message.startsWith("node-opcua: ")));
  assert.ok(records.some((record) => record.message === "opcua server started"));
});
