import * as v from "valibot";
import { byteSize, duration, idText, integer, portNumber } from "../schema.ts";
import { signedField } from "../session/signed/settings.ts";
import { isType } from "../topic.ts";
import { isLoopback, isNetwork } from "./address.ts";
import type { ListenerPlace } from "./exposure.ts";
import { tlsField } from "./tls-config.ts";
import { waitingLineFields } from "./waiting-line.ts";

/** A config field with its default and its description. */
export const field = <S extends v.GenericSchema>(schema: S, fallback: v.InferInput<S>, text: string) => v.pipe(v.optional(schema, fallback as never), v.description(text));

/** A config field that may be left out, with its description. */
export const option = <S extends v.GenericSchema>(schema: S, text: string) => v.pipe(v.optional(schema), v.description(text));

const text = v.pipe(v.string(), v.minLength(1));
const roles = field(v.array(v.pipe(v.string(), v.minLength(1), v.maxLength(64))), ["device"], 'Roles of every device behind it. Default ["device"].');

const will = v.strictObject({
  type: field(v.pipe(v.string(), v.check(isType, "must be a token [a-z][a-z0-9-]{0,31}")), "event", "Type of the message. Default event."),
  payload: v.pipe(v.unknown(), v.description("What it says.")),
  qos: field(v.picklist([0, 1, 2]), 1, "0, 1 or 2. Default 1."),
  retain: field(v.boolean(), false, "Keep it as the last value of its topic. Default false."),
});

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

/** The config fields that limit a session (`SessionLimits`), the same for every kind of listener. */
export function sessionFields() {
  return {
    rate: field(integer(0, 10_000_000), 50_000, "Messages per second of one connection; more end it (4029). 0 = no limit. Default 50000."),
    byteRate: field(byteSize(0, 1024 ** 4), "32MiB", "Bytes of frames per second of one connection, of which those of one second may come at once; one that sends more is read more slowly. 0 = no limit. Default 32MiB."),
    subscriptions: field(integer(1, 100_000), 100, "Subscriptions of one connection. Default 100."),
    payload: field(byteSize(64, 64 * 1024 ** 2), "64MiB", "Bytes of a message's payload; a longer one is refused (TOO_LARGE), the connection stays. Default 64MiB, so that the limit of frames decides; 64 bytes to 64MiB."),
    nesting: field(integer(1, 64), 64, "Levels of arrays and objects in a payload; a deeper one is refused (BAD_FRAME). Default 64, 1 to 64."),
    patternDepth: field(integer(1, 32), 32, "Levels of the topic filter of a subscription; a deeper one is refused (BAD_FRAME). Default 32, 1 to 32."),
    inFlight: field(integer(1, 65_535), 100, "Deliveries of qos 1 and 2 of one subscription that may be unacknowledged. Default 100."),
    redeliver: field(duration(100, 3_600_000), "10s", "An unacknowledged delivery is sent again after so long, then after twice as long, up to a minute. Default 10s."),
    buffer: field(byteSize(16 * 1024, 1024 ** 3), "4MiB", "Bytes queued towards one peer before slowConsumer acts; as many again may wait in its subscriptions' queues, and as many be unacknowledged. Default 4MiB."),
    slowConsumer: field(
      v.picklist(["disconnect", "drop-newest", "drop-oldest", "latest"]),
      "disconnect",
      "What happens to qos 0 deliveries that a peer does not read, where its subscription does not say: disconnect (4008) or drop-newest beyond buffer, drop-oldest or latest (one per topic) beyond queue. Default disconnect.",
    ),
    queue: field(integer(1, 100_000), 1000, "Deliveries that wait in the queue of a subscription with a policy of its own. Default 1000."),
    will: option(will, "Last will of every device that names none of its own: published in its name when its connection ends without a goodbye. Default: none."),
    signed: signedField,
  };
}

/** The config fields of every TCP listener, to be put into the `v.strictObject` of a plugin's config. */
export function listenerFields(defaultPort: number) {
  return {
    host: field(text, "127.0.0.1", "Address to listen on. Default 127.0.0.1; 0.0.0.0 or :: is every one."),
    port: field(portNumber(), defaultPort, `Port to listen on; 0 = any free one. Default ${defaultPort}.`),
    clients: option(clients, "How a client is known where the protocol has no login: by certificate, network or token. Default: anyone on this machine."),
    tls: tlsField(),
    insecure: field(v.boolean(), false, "Allow plain TCP on an address that other machines reach. Default false."),
    limit: field(byteSize(64, 64 * 1024 ** 2), "1MiB", "Longest frame; a longer one ends the connection. Default 1MiB, 64 bytes to 64MiB."),
    frameTimeout: field(duration(100, 3_600_000), "30s", "How long a frame that has begun may take to arrive. Default 30s, 100ms to 1h."),
    authTimeout: field(duration(10, 600_000), "5s", "How long a client may take to show who it is. Default 5s, 10ms to 10m."),
    idleTimeout: field(duration(0, 30 * 86_400_000), "1h", "A connection on which nothing passes either way for so long is closed; 0 = never. Default 1h."),
    maxConnections: field(integer(1, 1_000_000), 20_000, "Connections at once; further ones wait. Default 20000, 1 to 1000000."),
    waitingLine: field(v.strictObject(waitingLineFields), {}, "What happens when all places are taken."),
    perAddress: option(integer(1, 1_000_000), "Connections at once from one address, or one IPv6 network of 64 bits. Default 1000, and no limit from this machine."),
    identities: field(integer(1, 1_000_000), 1000, "Devices that may speak through one connection whose protocol has no login. Default 1000."),
    ...sessionFields(),
  };
}

const sample = v.strictObject(listenerFields(0));

/** The listener's part of a config, with all defaults filled in: durations in ms, sizes in bytes. */
export type ListenerConfig = v.InferOutput<typeof sample>;

/** One rule that holds between the fields of a listener: the field to blame, the test, and what is wrong. */
export interface ListenerRule {
  readonly at: "clients" | "host" | "signed";
  readonly holds: (config: ListenerConfig) => boolean;
  readonly otherwise: string;
}

/** The rules of every listener. `login`: whether with this config the protocol itself says who a client is. */
export function listenerRules(login: (config: ListenerConfig) => boolean): readonly ListenerRule[] {
  return [
    { at: "clients", holds: (config) => !login(config) || config.clients === undefined || config.clients.by === "certificate", otherwise: "must be left out, or {by: certificate}, where the protocol has a login of its own" },
    { at: "clients", holds: ({ clients, tls }) => clients?.by !== "certificate" || (tls?.caFile !== undefined && tls.requestClientCert !== false), otherwise: "cannot be by certificate without tls.caFile, the authorities whose certificates are believed" },
    { at: "host", holds: (config) => login(config) || config.clients !== undefined || isLoopback(config.host), otherwise: "must be an address of this machine only, such as 127.0.0.1, as long as clients does not say how a client is known" },
  ];
}

/** The rule about signed messages. `sayable`: whether with this config the protocol has words for a signature. */
export function signedRule(sayable: (config: ListenerConfig) => boolean): ListenerRule {
  return { at: "signed", holds: (config) => config.signed === "off" || sayable(config), otherwise: "must be off where the protocol has no words for a signature" };
}

/** Where a listener of that config listens, for a plugin's `listens`. */
export function listenerPlaces({ host, tls, insecure }: Pick<ListenerConfig, "host" | "tls" | "insecure">, what: string): readonly ListenerPlace[] {
  return [{ what, at: [], host, encrypted: tls !== undefined, insecure }];
}

/** A rule as a valibot action, to be put behind the object in a pipe. */
export function ruleCheck<T extends ListenerConfig>({ at, holds, otherwise }: ListenerRule) {
  return v.forward(v.check<T, string>(holds, otherwise), [at] as never) as v.CheckAction<T, string>;
}
