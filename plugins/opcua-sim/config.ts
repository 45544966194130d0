import { byteSize, duration, integer, portNumber, writesField } from "@busbar/core";
import * as v from "valibot";
import { checkPlant } from "./compiled-plant.ts";
import { scriptedFaultSchema } from "./fault.ts";
import { modbusFleetSchema } from "./modbus-fleet.ts";
import { securityPolicies } from "./opcua-messages.ts";
import { fleetSchema, plantSchema, type PlantSpec } from "./plant.ts";

/** A field with its default and its description. */
const field = <S extends v.GenericSchema>(schema: S, fallback: v.InferInput<S>, description: string) => v.pipe(v.optional(schema, fallback as never), v.description(description));
const text = (max: number) => v.pipe(v.string(), v.minLength(1), v.maxLength(max));

/** Adds what `checkPlant` finds, each problem at its place. */
const soundPlant = v.rawCheck<PlantSpec>(({ dataset, addIssue }) => {
  if (!dataset.typed) return;
  for (const problem of checkPlant(dataset.value)) {
    const [first, ...rest] = problem.path.map((key) => ({ type: "unknown" as const, origin: "value" as const, input: undefined, key, value: undefined }));
    addIssue({ message: problem.message, ...(first ? { path: [first, ...rest] } : {}) });
  }
});

/** A plant that is sound: what is read from a file is held against this too. */
export const soundPlantSchema = v.pipe(plantSchema, soundPlant);

const opcuaSchema = v.strictObject({
  enabled: field(v.boolean(), true, "Whether the OPC UA server listens. Default true."),
  host: field(text(255), "127.0.0.1", "Address to listen on. Default 127.0.0.1."),
  port: field(portNumber(), 4840, "TCP port, 0 for any free one. Default 4840."),
  innerPort: field(portNumber(), 0, "TCP port on 127.0.0.1 of the thread that answers, which only this process is meant to use; 0 for any free one. A fixed one can be named where every port that may be used has to be. Default 0."),
  insecure: field(v.boolean(), false, "Whether host may be an address that other machines reach: clients may choose to sign without encrypting. Default false."),
  hostname: v.pipe(v.optional(text(255)), v.description("Host name that clients are told to connect to. Default: host, or this machine's name where host is a wildcard.")),
  securityPolicies: field(v.pipe(v.array(v.picklist(securityPolicies)), v.minLength(1)), ["None", "Basic256Sha256"], "Security policies that are offered: None, Basic256Sha256, Aes128_Sha256_RsaOaep, Aes256_Sha256_RsaPss. Default None and Basic256Sha256."),
  pki: field(text(4_096), "data/pki", "Folder of keys and certificates, made at the first client. Default data/pki."),
  acceptUnknownClients: field(v.boolean(), false, "Whether a client certificate that nobody has trusted is accepted. Default false."),
  trustedClients: field(v.pipe(v.array(text(4_096)), v.maxLength(1_000)), [], "Files of client certificates (PEM or DER) that are trusted. Default none."),
  anonymous: field(v.boolean(), true, "Whether clients may come without a user name. Default true."),
  users: field(v.pipe(v.array(v.strictObject({ name: text(128), password: v.pipe(v.string(), v.minLength(8), v.maxLength(256)) })), v.maxLength(100)), [], "Users and their passwords (8 to 256 characters). Default none."),
  maxConnections: field(integer(1, 1_000), 20, "Connections at once. Default 20, 1 to 1000."),
  maxSessions: field(integer(1, 1_000), 20, "Sessions at once. Default 20, 1 to 1000."),
  maxSubscriptions: field(integer(1, 10_000), 100, "Subscriptions at once, of all sessions. Default 100, 1 to 10000."),
  maxMonitoredItems: field(integer(1, 1_000_000), 20_000, "Monitored items at once, of all sessions. Default 20000, 1 to 1000000."),
  maxMessageSize: field(byteSize(8_192, 64 * 1_024 ** 2), "4MiB", "Size of one message at the most. Default 4MiB, 8KiB to 64MiB."),
  maxChunkCount: field(integer(1, 1_024), 128, "Chunks of one message at the most. Default 128, 1 to 1024."),
  history: field(integer(0, 100_000), 0, "How many past values of each tag are kept for HistoryRead, 18 bytes each. Default 0: no history, 0 to 100000."),
  helloTimeout: field(duration(100, 60_000), "5s", "Time for a client to say its first word. Default 5s, 100ms to 1m."),
});

const modbusSchema = v.strictObject({
  enabled: field(v.boolean(), true, "Whether the Modbus TCP server listens. Default true."),
  host: field(text(255), "127.0.0.1", "Address to listen on. Default 127.0.0.1."),
  port: field(portNumber(), 5020, "TCP port, 0 for any free one. Default 5020."),
  framing: field(v.picklist(["tcp", "rtu"]), "tcp", "tcp for Modbus TCP, rtu for Modbus RTU over TCP. Default tcp."),
  fleet: v.pipe(v.optional(modbusFleetSchema), v.description("Raw Modbus units on ports of their own. Default none.")),
  insecure: field(v.boolean(), false, "Whether host may be an address that other machines reach. Modbus knows no identity and no encryption. Default false."),
  maxConnections: field(integer(1, 1_000), 20, "Connections at once, on each port. Default 20, 1 to 1000."),
  idleTimeout: field(duration(1_000, 86_400_000), "5m", "Time without a byte after which a connection is closed. Default 5m, 1s to 1d."),
});

/** The config of the simulated plant. */
export const configSchema = v.pipe(
  v.strictObject({
    plant: v.pipe(v.optional(soundPlantSchema), v.description("The plant: machines and devices; {} for none. Default: a boiler, a pump, a press, a conveyor, lamp-1 and fan-1.")),
    plantFile: v.pipe(v.optional(text(4_096)), v.description("Path of a JSON file that holds the plant, instead of plant. Default none.")),
    fleet: v.pipe(v.optional(v.union([fleetSchema, v.pipe(v.array(fleetSchema), v.maxLength(20))])), v.description("Machines to add for load, sim-001 and so on: machines 1 to 200 (default 10) of tags 1 to 10000 (default 100) each, with a prefix (default sim) and every (default: each period); one such fleet or a list. Default none.")),
    seed: field(integer(0, 4_294_967_295), 1, "The same seed gives the same readings. Default 1, 0 to 4294967295."),
    period: field(duration(10, 3_600_000), "1s", "Time between two readings. Default 1s, 10ms to 1h."),
    bus: field(v.boolean(), true, "Whether the plant reports and takes commands on the bus itself; false leaves it to whoever reads it over OPC UA and Modbus. Default true."),
    allowWrites: writesField("the plant obeys commands, and writes over OPC UA and Modbus"),
    faults: field(v.pipe(v.array(scriptedFaultSchema), v.maxLength(1_000)), [], "What goes wrong by itself: faults as {kind, at, every, for, …}. Default nothing."),
    opcua: field(opcuaSchema, {}, "The OPC UA server."),
    modbus: field(modbusSchema, {}, "The Modbus TCP server."),
  }),
  v.forward(
    v.check((config) => config.plant === undefined || config.plantFile === undefined, "stands beside plant: only one of the two can say what the plant is"),
    ["plantFile"],
  ),
);

/** The config with all defaults filled in: durations in milliseconds, sizes in bytes. */
export type SimConfig = v.InferOutput<typeof configSchema>;
