import { byteSize, commandsNeedWrites, duration, field, integer, isType, namesCommands, option, topicPattern, writesField } from "@busbar/core";
import * as v from "valibot";
import { incomingPlaceholders, isTopicFilter, outgoingPlaceholders, templateProblem } from "./topic-template.ts";

const text = v.pipe(v.string(), v.minLength(1), v.maxLength(1024));

const brokerUrl = v.pipe(
  v.string(),
  v.check((value) => URL.canParse(value) && /^(?:mqtts?|wss?):$/.test(new URL(value).protocol) && new URL(value).hostname !== "", "must be a URL such as mqtt://broker.example:1883, mqtts://…, ws://… or wss://…"),
  v.check((value) => !URL.canParse(value) || (new URL(value).username === "" && new URL(value).password === ""), "must not hold a name or password; say username and password"),
);

const template = (known: readonly string[]) => v.pipe(text, v.rawCheck(({ dataset, addIssue }) => {
  const problem = dataset.typed ? templateProblem(dataset.value, known) : undefined;
  if (problem !== undefined) addIssue({ message: problem });
}));

const mqttFilter = v.pipe(v.string(), v.check(isTopicFilter, "must be an MQTT topic filter such as zigbee2mqtt/+ or plant/#"));
const list = <S extends v.GenericSchema<unknown, unknown>>(item: S, most: number) => v.pipe(v.array(item), v.minLength(1, "must have at least one entry"), v.maxLength(most));
const qos = v.pipe(v.picklist([0, 1, 2], "must be 0, 1 or 2"));

const tls = v.strictObject({
  caFile: option(text, "Path of the authorities that sign the broker's certificate, PEM. Default: those the runtime knows."),
  certFile: option(text, "Path of the client certificate, PEM. Goes with keyFile."),
  keyFile: option(text, "Path of the client certificate's private key, PEM."),
});

const outEntry = v.strictObject({
  topics: v.pipe(list(topicPattern(), 100), v.description("Topic patterns of what is sent. A message that fits several entries takes the first.")),
  to: field(template(outgoingPlaceholders), "{topic}", "Topic at the broker; {topic}, {type}, {id}, {from} and {to} stand for those of the message. Default {topic}."),
  retain: field(v.picklist(["keep", "never", "always"]), "keep", "Whether the broker retains it: keep (as the message says), never or always. Default keep."),
  format: field(v.picklist(["payload", "envelope"]), "payload", "What is sent: payload (WIRE §5) or envelope, the whole message as JSON. Default payload."),
});

const inEntry = v.strictObject({
  topics: v.pipe(list(mqttFilter, 100), v.description("Topic filters to subscribe to at the broker. A message that fits several entries takes the first.")),
  type: option(v.pipe(v.string(), v.check(isType, "must be a token [a-z][a-z0-9-]{0,31}")), "Type of the envelopes. Default status; with format envelope what the envelope says."),
  from: option(template(incomingPlaceholders), "Who says it; {topic}, {1}, {2}, … (what the wildcards stand for) and {from} (what the message itself says) may stand in it. Default <instance>/{topic}, with format envelope <instance>/{from}."),
  to: option(template(incomingPlaceholders), "Whom it is for, with the same placeholders. Default server; with format envelope what the envelope says."),
  qos: field(qos, 1, "QoS of the subscription. Default 1."),
  retain: field(v.picklist(["keep", "never"]), "keep", "Whether what the broker retains is retained here too: keep or never. Default keep."),
  format: field(v.picklist(["payload", "envelope"]), "payload", "What comes: payload (WIRE §5) or envelope. Default payload."),
  msgid: option(v.pipe(v.string(), v.regex(/^[^.]+(?:\.[^.]+)*$/, "must be a path such as id or header.id")), "Path of the payload field that holds a message id, where there is no user property msgid. Default: none."),
});

const fields = v.strictObject({
  url: v.pipe(brokerUrl, v.description("The upstream broker: mqtt://, mqtts://, ws:// or wss://, host and port; defaults 1883, 8883, 80, 443.")),
  protocolVersion: field(v.picklist([4, 5], "must be 5 (MQTT 5.0) or 4 (MQTT 3.1.1)"), 5, "5 = MQTT 5.0, 4 = MQTT 3.1.1. Default 5."),
  clientId: option(v.pipe(v.string(), v.regex(/^[A-Za-z0-9_.:-]{1,60}$/, "must be 1 to 60 of [A-Za-z0-9_.:-]")), "Client id at the broker; -out and -in are put behind it. Default: drawn from the journal's identity, the same after a restart."),
  username: option(text, "User name at the broker."),
  password: option(v.pipe(v.string(), v.maxLength(65_535)), "Password at the broker: ${env:NAME}."),
  tls: option(tls, "Certificates for mqtts:// and wss://. The broker's certificate is always checked."),
  keepalive: field(duration(1000, 65_535_000), "60s", "A sign of life at least so often. Default 60s, 1s to 18h."),
  connectTimeout: field(duration(100, 600_000), "30s", "How long connecting may take. Default 30s, 100ms to 10m."),
  ackTimeout: field(duration(100, 3_600_000), "30s", "A publish that the broker has not acknowledged for so long ends the connection; it is sent again. Default 30s, 100ms to 1h."),
  reconnect: field(
    v.strictObject({
      min: field(duration(10, 600_000), "100ms", "First pause before connecting again. Default 100ms."),
      max: field(duration(10, 3_600_000), "30s", "Longest pause; pauses double up to it, with jitter. Default 30s."),
    }),
    {},
    "Pauses between attempts to connect.",
  ),
  qos: field(qos, 1, "QoS of what is sent. 0 = not acknowledged, may be lost with the connection. Default 1."),
  inFlight: field(integer(1, 65_535), 100, "Publishes that may be unacknowledged, less where the broker takes less. 1 = strict order even when the broker refuses something. Default 100."),
  maxPacket: field(byteSize(64, 268_435_460), 268_435_460, "Longest packet sent, less where the broker (MQTT 5) takes less; longer ones become dead letters. Default and most: what MQTT can say, 256 MiB."),
  out: field(v.pipe(v.array(outEntry), v.maxLength(100)), [], "What is sent to the broker. Default: nothing."),
  lanes: field(
    v.strictObject({
      alarm: field(v.pipe(v.array(topicPattern()), v.maxLength(100)), ["event/#"], "What goes first. Default event/#."),
      command: field(v.pipe(v.array(topicPattern()), v.maxLength(100)), ["command/#"], "What goes next. Default command/#."),
    }),
    {},
    "What goes before the rest.",
  ),
  batch: field(
    v.strictObject({
      count: field(integer(1, 10_000), 100, "Messages at once. Default 100."),
      bytes: field(byteSize(1024, 64 * 1024 ** 2), "1MiB", "Bytes of payload at once, at least one message. Default 1MiB."),
      linger: field(duration(0, 60_000), 0, "How long to wait for a batch to fill. Default 0."),
    }),
    {},
    "How much is handed to the connection at once; the cursor moves when all of it is acknowledged.",
  ),
  overtake: field(duration(0, 86_400_000), "10s", "What could not be sent for so long becomes backfill, and new messages go first. 0 = never: strict order. Default 10s."),
  pace: field(integer(0, 1_000_000), 1000, "Messages a second of the backfill; 0 = as many as the broker takes. Default 1000."),
  late: field(duration(1000, 30 * 86_400_000), "60s", "From this age on a message is flagged late. Default 60s."),
  start: field(v.picklist(["now", "oldest"]), "now", "Where sending begins the first time: with what comes from now on, or with the oldest message of the journal. Default now."),
  allowWrites: writesField("commands cross this connection, either way; other patterns that happen to match commands leave them out"),
  in: field(v.pipe(v.array(inEntry), v.maxLength(100)), [], "What is subscribed to at the broker. Default: nothing."),
  session: field(duration(0, 4_294_967_294_000), "7d", "How long the broker keeps what is subscribed to while this side is away (MQTT 5; with 3.1.1 it decides). Default 7d."),
  receive: field(integer(1, 65_535), 1000, "Messages of the broker that may be on their way into the journal (MQTT 5 Receive Maximum). Default 1000."),
  maxReceive: field(byteSize(64, 268_435_460), "1MiB", "Longest packet taken from the broker. Default 1MiB."),
});

type Fields = v.InferOutput<typeof fields>;

const check = (at: keyof Fields, holds: (config: Fields) => boolean, otherwise: string) => v.forward(v.check<Fields, string>(holds, otherwise), [at]);

/** What a config of the plugin may say. */
export const configSchema = v.pipe(
  fields,
  check("tls", ({ tls, url }) => tls === undefined || /^(?:mqtts|wss):/i.test(url), "can only be there with mqtts:// or wss://"),
  check("tls", ({ tls }) => (tls?.certFile === undefined) === (tls?.keyFile === undefined), "must have certFile and keyFile, or neither"),
  check("password", ({ username, password, protocolVersion }) => password === undefined || username !== undefined || protocolVersion === 5, "needs a username with MQTT 3.1.1"),
  check("reconnect", ({ reconnect }) => reconnect.min <= reconnect.max, "must have min no greater than max"),
  check("out", ({ allowWrites, out }) => allowWrites || !out.some(({ topics }) => namesCommands(topics)), commandsNeedWrites),
  check("in", ({ allowWrites, in: incoming }) => allowWrites || !incoming.some(({ type }) => type === "command"), "makes commands, which move machines here: say allowWrites: true, or choose another type"),
  check("url", (config) => config.out.length + config.in.length > 0, "needs something to do: out or in must have an entry"),
);

/** The config with all defaults filled in: durations in ms, sizes in bytes. */
export type MqttConfig = v.InferOutput<typeof configSchema>;

/** One entry of `out`. */
export type OutEntry = MqttConfig["out"][number];

/** One entry of `in`. */
export type InEntry = MqttConfig["in"][number];

