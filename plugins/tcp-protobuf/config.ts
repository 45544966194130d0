import { byteSize, duration, idText, integer, isType, portNumber } from "@busbar/core";
import * as v from "valibot";
import { isLoopback, isNetwork } from "./address.ts";

const field = <S extends v.GenericSchema>(schema: S, fallback: v.InferInput<S>, text: string) => v.pipe(v.optional(schema, fallback as never), v.description(text));
const option = <S extends v.GenericSchema>(schema: S, text: string) => v.pipe(v.optional(schema), v.description(text));

const text = v.pipe(v.string(), v.minLength(1));
const roles = field(v.array(v.pipe(v.string(), v.minLength(1), v.maxLength(64))), ["device"], 'Roles of every device behind it. Default ["device"].');

const network = v.strictObject({
  cidr: v.pipe(v.string(), v.check(isNetwork, "must be an address or a network such as 192.168.7.0/24 or fd00::/8"), v.description("Where the connection comes from: an address or a network.")),
  roles,
  within: option(idText(), "Devices may only be called this, or something below it. Default: anything."),
});

const clients = v.variant("by", [
  v.strictObject({ by: v.literal("certificate") }),
  v.strictObject({ by: v.literal("network"), allow: v.pipe(v.array(network), v.minLength(1), v.maxLength(1000), v.description("The first entry that fits counts; where none fits the connection is closed.")) }),
  v.strictObject({ by: v.literal("token"), token: v.pipe(v.string(), v.minLength(16, "must have at least 16 characters"), v.maxLength(1024), v.description("What each connection's first frame must be, 16 to 1024 characters.")), roles }),
]);

const reading = v.union([text, v.strictObject({ field: text, unit: v.optional(text) })], 'must be a field, or {field, unit}');

const custom = v.strictObject({
  descriptorSet: v.pipe(text, v.description("Path of a compiled FileDescriptorSet: protoc --include_imports --descriptor_set_out=…")),
  message: v.pipe(text, v.description("Full name of the message that each frame is, such as plant.Report.")),
  from: v.pipe(text, v.description("Who speaks: a field such as header.device, or a template such as {header.line}/{header.device}.")),
  timestamp: option(text, "When it happened: a field that is a number or a google.protobuf.Timestamp. Default: the time of arrival."),
  timestampUnit: field(v.picklist(["s", "ms", "us", "ns"]), "ms", "What a timestamp that is a number counts: s, ms, us or ns. Default ms."),
  type: field(v.pipe(v.string(), v.check(isType, "must be a token [a-z][a-z0-9-]{0,31}")), "status", "Type of the envelopes. Default status."),
  payload: field(
    v.union(
      [
        v.literal("whole"),
        v.strictObject({ field: text }),
        v.strictObject({ readings: v.record(text, reading) }),
        v.strictObject({ list: text, tag: text, value: text, unit: v.optional(text), quality: v.optional(text) }),
      ],
      "must be whole, {field}, {readings: {tag: field}} or {list, tag, value, unit?, quality?}",
    ),
    "whole",
    "What becomes the payload: whole, {field}, {readings: {tag: field}} or {list, tag, value, unit?, quality?}. Default whole.",
  ),
  command: option(text, "Full name of the message that a command becomes. Default: the devices take no commands."),
});

const tls = v.strictObject({
  certFile: v.pipe(text, v.description("Path of the certificate chain, PEM.")),
  keyFile: v.pipe(text, v.description("Path of the private key, PEM.")),
  caFile: option(text, "Path of the authorities that sign client certificates, PEM. Default: those the runtime knows."),
  requestClientCert: field(v.boolean(), false, "Ask clients for a certificate; who shows a valid one needs no auth frame. Default false."),
});

const fields = v.strictObject({
  host: field(text, "127.0.0.1", "Address to listen on. Default 127.0.0.1; 0.0.0.0 or :: is every one."),
  port: field(portNumber(), 7000, "Port to listen on; 0 = any free one. Default 7000."),
  codec: field(v.picklist(["envelope", "iot-data", "user-inform", "custom"]), "envelope", "What a frame is: envelope, iot-data, user-inform or custom. Default envelope."),
  custom: option(custom, "The message and its mapping, for codec: custom."),
  clients: option(clients, "How a client is known where the codec has no auth frame: by certificate, network or token. Default: anyone on this machine."),
  tls: option(tls, "Listen with TLS 1.2 or 1.3. Default: plain TCP."),
  insecure: field(v.boolean(), false, "Allow plain TCP on an address that other machines reach. Default false."),
  limit: field(byteSize(64, 64 * 1024 ** 2), "1MiB", "Longest frame; a longer one ends the connection. Default 1MiB, 64 bytes to 64MiB."),
  frameTimeout: field(duration(100, 3_600_000), "30s", "How long a frame that has begun may take to arrive. Default 30s, 100ms to 1h."),
  authTimeout: field(duration(10, 600_000), "5s", "How long a client may take to show who it is. Default 5s, 10ms to 10m."),
  idleTimeout: field(duration(0, 30 * 86_400_000), "1h", "A connection on which nothing passes either way for so long is closed; 0 = never. Default 1h."),
  maxConnections: field(integer(1, 1_000_000), 20_000, "Connections at once; further ones are closed. Default 20000."),
  perAddress: option(integer(1, 1_000_000), "Connections at once from one address. Default 1000, and no limit from this machine."),
  rate: field(integer(0, 10_000_000), 0, "Messages per second of one connection; more end it. 0 = no limit. Default 0."),
  subscriptions: field(integer(1, 100_000), 100, "Subscriptions of one connection. Default 100."),
  inFlight: field(integer(1, 65_535), 100, "Deliveries of qos 1 and 2 that may be unacknowledged. Default 100."),
  redeliver: field(duration(100, 3_600_000), "10s", "An unacknowledged delivery is sent again after so long. Default 10s."),
  identities: field(integer(1, 1_000_000), 1000, "Devices that may speak through one connection without an auth frame. Default 1000."),
  buffer: field(byteSize(16 * 1024, 1024 ** 3), "4MiB", "Bytes queued towards one peer before slowConsumer acts. Default 4MiB."),
  slowConsumer: field(v.picklist(["disconnect", "drop-newest"]), "disconnect", "What happens to qos 0 deliveries beyond buffer: disconnect or drop-newest, counted. Default disconnect."),
});

type Fields = v.InferOutput<typeof fields>;

const rule = (at: keyof Fields, holds: (config: Fields) => boolean, otherwise: string) =>
  v.forward(v.check<Fields, string>(holds, otherwise), [at]);

/** What a listener's config may say. */
export const configSchema = v.pipe(
  fields,
  rule("custom", ({ codec, custom }) => (codec === "custom") === (custom !== undefined), "must be there for codec: custom, and only for it"),
  rule("clients", ({ codec, clients }) => codec !== "envelope" || clients === undefined || clients.by === "certificate", "must be left out, or {by: certificate}, for codec: envelope, which has an auth frame"),
  rule("clients", ({ clients, tls }) => clients?.by !== "certificate" || tls?.requestClientCert === true, "cannot be by certificate without tls.requestClientCert: true"),
  rule("host", ({ codec, clients, host }) => codec === "envelope" || clients !== undefined || isLoopback(host), "must be an address of this machine only, such as 127.0.0.1, as long as clients does not say how a client is known"),
  rule("host", ({ tls, insecure, host }) => tls !== undefined || insecure || isLoopback(host), "must be an address of this machine only, such as 127.0.0.1, without tls; say insecure: true to go without"),
);

/** The config with all defaults filled in: durations in ms, sizes in bytes. */
export type TcpConfig = v.InferOutput<typeof configSchema>;
