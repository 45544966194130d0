import { duration, field, idText, integer, option, writesField } from "@busbar/core";
import * as v from "valibot";
import { parseNodeAddress } from "./node-id.ts";
import { securityModes, securityPolicies } from "./security-policy.ts";

const text = (most = 1024) => v.pipe(v.string(), v.minLength(1), v.maxLength(most));
const list = <S extends v.GenericSchema<unknown, unknown>>(item: S, most: number) => v.pipe(v.array(item), v.maxLength(most));

const serverUrl = v.pipe(
  text(),
  v.check((value) => URL.canParse(value) && new URL(value).protocol === "opc.tcp:" && new URL(value).hostname !== "", "must be a URL such as opc.tcp://192.168.0.10:4840"),
  v.check((value) => !URL.canParse(value) || (new URL(value).username === "" && new URL(value).password === ""), "must not hold a name or password; say user"),
);

const nodeAddress = v.pipe(text(4096), v.rawCheck(({ dataset, addIssue }) => {
  if (!dataset.typed) return;
  try {
    parseNodeAddress(dataset.value);
  } catch (error) {
    addIssue({ message: error instanceof Error ? error.message : String(error) });
  }
}));

const security = v.strictObject({
  policy: field(v.picklist(["auto", ...securityPolicies]), "auto", `Security policy: auto (the strongest that the server offers, never None nor a deprecated one), ${securityPolicies.join(", ")}. Default auto.`),
  mode: field(v.picklist(["auto", ...securityModes]), "auto", "Sign, SignAndEncrypt, or auto: the stronger that is offered with the policy. Default auto."),
});

const user = v.pipe(
  v.strictObject({
    name: option(text(256), "User name. Goes with password."),
    password: option(v.pipe(v.string(), v.maxLength(1024)), "Password: ${env:NAME} or ${file:path}."),
    certFile: option(text(4096), "Path of the user's X.509 certificate, PEM or DER. Goes with keyFile."),
    keyFile: option(text(4096), "Path of its private key, PEM."),
    token: option(v.pipe(v.string(), v.minLength(1), v.maxLength(65_536)), "A token that somebody has issued for this user, such as a JWT: ${env:NAME} or ${file:path}."),
  }),
  v.check(({ name, certFile, token }) => [name, certFile, token].filter((one) => one !== undefined).length === 1, "must say one of name, certFile and token"),
  v.check(({ certFile, keyFile }) => (certFile === undefined) === (keyFile === undefined), "must have certFile and keyFile, or neither"),
  v.check(({ name, password }) => name !== undefined || password === undefined, "has a password without a name"),
);

const deadband = v.pipe(
  v.union([v.pipe(v.number(), v.minValue(0)), v.pipe(v.string(), v.regex(/^\d{1,3}(?:\.\d+)?%$/, 'must be a number, or a share of the range such as "2%"'))]),
  v.check((value) => typeof value === "number" || Number.parseFloat(value) <= 100, "must be at most 100%"),
);

/** How values are watched: the same fields for the connection (then with defaults), a node and a folder. */
const watching = {
  sampling: option(duration(0, 86_400_000), "How often the server looks at the value; 0 = as fast as it can. Default: sampling of the connection."),
  queue: option(integer(1, 100_000), "Values of a node that the server keeps between two reports, and while the connection is down. Default: queue of the connection."),
  discard: option(v.picklist(["oldest", "newest"]), "What goes when that queue is full: oldest or newest. Default: discard of the connection."),
  trigger: option(v.picklist(["status", "value", "timestamp"]), "What counts as a change: status, value (or status), or timestamp (or any of these). Default: trigger of the connection."),
  deadband: option(deadband, 'Changes that are smaller are not reported: in the unit of the value, or "2%" of its EURange. Default: none.'),
  poll: option(duration(10, 86_400_000), "Read at this interval instead of being watched. Default: not."),
  history: option(v.boolean(), "Whether a gap is filled from the server's history. Default: history.enabled of the connection."),
};

const node = v.strictObject({
  node: v.pipe(nodeAddress, v.description("ns=2;s=…, nsu=http://…;s=…, or a browse path such as /Objects/2:Plant/2:boiler-1/2:temperature.")),
  tag: v.pipe(text(256), v.description("Its tag on the bus.")),
  device: option(idText(), "Device id under which it is published. Default: device of the connection."),
  unit: option(v.pipe(v.string(), v.maxLength(64)), "Unit. Default: what EngineeringUnits says."),
  ...watching,
});

const template = (what: string) => v.pipe(text(256), v.check((value) => !/[{}]/.test(value.replace(/\{(?:instance|name|[1-9]\d?(?:\.\.)?)\}/g, "")), `must be ${what} with the placeholders {instance}, {name}, {1}, {2}, … and {1..}, {2..}, …`));
const wildcard = v.pipe(text(256), v.description("A path below the folder, levels joined by /; * stands for anything within a level, ** for any levels."));

const folder = v.strictObject({
  under: v.pipe(nodeAddress, v.description("Every variable below this node, which is given as in nodes.")),
  device: field(template("a device id"), "{instance}", "Device id: {1}, {2}, … are the levels below the folder, {2..} those from the second on, {name} the last one. Default {instance}."),
  tag: field(template("a tag"), "{1..}", "Tag, with the same placeholders; levels are joined by dots. Default {1..}."),
  depth: field(integer(1, 32), 10, "Levels below the folder. Default 10."),
  limit: field(integer(1, 100_000), 10_000, "Variables at the most; more of them are left out with a warning. Default 10000."),
  include: field(list(wildcard, 1000), [], "Only variables whose path matches one of these. Default: all."),
  exclude: field(list(wildcard, 1000), [], "Not those whose path matches one of these. Default: none."),
  ...watching,
});

const method = v.strictObject({
  name: v.pipe(text(256), v.description('What a command calls it: {"call":"<name>"}.')),
  object: v.pipe(nodeAddress, v.description("The object that the method belongs to, given as in nodes.")),
  method: v.pipe(text(4096), v.description("The method's node, given as in nodes, or its browse name such as 2:reset.")),
  device: option(idText(), "Device that takes the command. Default: device of the connection."),
});

const alarms = v.strictObject({
  sources: field(list(nodeAddress, 1_000), [], "Objects whose events are subscribed to, given as in nodes; i=2253, the server itself, has those of all. Default none."),
  severity: field(integer(1, 1000), 1, "Events below this severity are left out, 1 to 1000. Default 1."),
  events: field(v.boolean(), true, "Whether events that are no conditions are published, too. Default true."),
});

const subscription = v.strictObject({
  publish: field(duration(10, 3_600_000), "500ms", "How often the server reports what has changed. Default 500ms."),
  keepAlive: field(duration(100, 3_600_000), "10s", "A report at least so often, even when nothing changed. Default 10s."),
  lifetime: field(duration(1_000, 86_400_000), "10m", "How long the server keeps a subscription, and its queues, while the connection is down. Default 10m."),
  items: field(integer(1, 100_000), 5_000, "Nodes of one subscription; beyond that another one is made. Default 5000."),
  notifications: field(integer(0, 1_000_000), 1_000, "Values in one report at the most, so that no report takes long; 0 = as the server likes. Default 1000."),
  priority: field(integer(0, 255), 0, "Priority among the subscriptions of the server. Default 0."),
});

const history = v.strictObject({
  enabled: field(v.boolean(), true, "Whether gaps are filled from the server's history, where a node has one. Default true."),
  longest: field(duration(1_000, 366 * 86_400_000), "1d", "The longest gap that is filled: what lies further back is left out. Default 1d."),
  page: field(integer(1, 100_000), 1_000, "Values of one node in one answer. Default 1000."),
  nodes: field(integer(1, 10_000), 50, "Nodes in one request. Default 50."),
  save: field(duration(1_000, 3_600_000), "30s", "How often the time of each node's last value is written to folder, for gaps over a restart. Default 30s."),
  folder: field(text(4096), "data/opcua", "Folder of <instance>.json, which holds these times. Default data/opcua."),
});

const reconnect = v.strictObject({
  min: field(duration(10, 600_000), "500ms", "First pause before connecting again. Default 500ms."),
  max: field(duration(10, 3_600_000), "30s", "Longest pause; pauses double up to it, with jitter. Default 30s."),
});

const fields = v.strictObject({
  url: v.pipe(serverUrl, v.description("The server: opc.tcp://host:port/path. Default port 4840.")),
  security: field(security, {}, "How the channel is secured."),
  user: option(user, "Who we are: name and password, certFile and keyFile, or token. Default: anonymous."),
  pki: field(text(4096), "data/pki/opcua", "Folder of the own certificate and of the trusted and rejected ones. Default data/pki/opcua."),
  applicationUri: option(v.pipe(text(256), v.regex(/^urn:\S+$/, "must be a URN such as urn:plant-1:busbar")), "What the own certificate says who we are; counts when it is made. Default urn:<host name>:busbar."),
  trustedServers: field(list(text(4096), 1000), [], "Server certificates that are trusted: fingerprints (SHA-256 or SHA-1, hexadecimal), or files (PEM or DER). Default none."),
  acceptUnknownServers: field(v.boolean(), false, "Whether a server certificate that nobody has trusted is accepted. Default false."),
  device: option(idText(), "Device id of nodes that name none. Default: the instance."),
  nodes: field(list(node, 100_000), [], "Nodes whose values are published. Default none."),
  folders: field(list(folder, 1_000), [], "Folders whose variables are published. Default none."),
  methods: field(list(method, 10_000), [], "Methods that commands may call. Default none."),
  alarms: field(alarms, {}, "Alarms, conditions and events that are published."),
  sampling: field(duration(0, 86_400_000), "1s", "How often the server looks at a value; 0 = as fast as it can. Default 1s."),
  queue: option(integer(1, 100_000), "Values of a node that the server keeps between two reports, and while the connection is down. Default: four reports' worth, at least 10."),
  discard: field(v.picklist(["oldest", "newest"]), "oldest", "What goes when that queue is full. Default oldest."),
  trigger: field(v.picklist(["status", "value", "timestamp"]), "value", "What counts as a change: status, value (or status), or timestamp (or any of these). Default value."),
  subscription: field(subscription, {}, "How the server reports."),
  history: field(history, {}, "How gaps are filled."),
  refresh: field(duration(0, 86_400_000), "5m", "How often folders are looked at again, and nodes that were not there; 0 = at each connection only. Default 5m."),
  timeout: field(duration(100, 600_000), "10s", "How long the server may take for an answer. Default 10s."),
  clockSkew: field(duration(1_000, 86_400_000), "1m", "How far the clock of the device may be ahead of ours, or jump back, before that is an event. Default 1m."),
  keepAlive: field(duration(100, 600_000), "5s", "How often the server is asked whether it is well. Default 5s."),
  sessionTimeout: field(duration(1_000, 86_400_000), "2m", "How long the server keeps the session while the connection is down. Default 2m."),
  reconnect: field(reconnect, {}, "Pauses between attempts to connect."),
  qos: field(v.picklist([0, 1], "must be 0 or 1"), 0, "QoS of readings: 0, or 1 = in the journal before more is asked for. Events always have 1. Default 0."),
  retain: field(v.boolean(), false, "Whether readings are retained. Default false."),
  allowWrites: writesField("set points are written and methods called, and alarms acknowledged"),
});

type Fields = v.InferOutput<typeof fields>;

const check = (at: keyof Fields, holds: (config: Fields) => boolean, otherwise: string) => v.forward(v.check<Fields, string>(holds, otherwise), [at]);

/** What a config of the plugin may say. */
export const configSchema = v.pipe(
  fields,
  check("reconnect", ({ reconnect: { min, max } }) => min <= max, "must have min no greater than max"),
  check("subscription", ({ subscription: { publish, keepAlive, lifetime } }) => publish <= keepAlive && keepAlive * 3 <= lifetime, "must have publish no longer than keepAlive, and lifetime at least three times keepAlive"),
  check("security", ({ security: { policy, mode } }) => policy !== "None" || mode === "auto", "has no mode with policy None"),
  check("methods", ({ allowWrites, methods }) => allowWrites || methods.length === 0, "can be called with allowWrites: true only"),
  check("nodes", ({ nodes, device }) => new Set(nodes.map((one) => `${one.device ?? device ?? ""} ${one.tag}`)).size === nodes.length, "has a tag twice in one device"),
  check("nodes", ({ nodes, folders, methods, alarms }) => nodes.length + folders.length + methods.length + alarms.sources.length > 0, "needs something to do: nodes, folders, methods or alarms.sources must have an entry"),
);

/** The config with all defaults filled in: durations in ms. */
export type OpcuaConfig = v.InferOutput<typeof configSchema>;

/** One entry of `nodes`. */
export type NodeEntry = OpcuaConfig["nodes"][number];

/** One entry of `folders`. */
export type FolderEntry = OpcuaConfig["folders"][number];
