import { field, integer, listenerFields, listenerRules, option, ruleCheck, signedRule } from "@busbar/core";
import * as v from "valibot";

const fields = v.strictObject({
  ...listenerFields(1883),
  inFlight: field(integer(1, 500), 100, "Deliveries of qos 1 and 2 of one subscription that may be unacknowledged. Default 100, up to 500."),
  subscriptions: field(integer(1, 100), 100, "Subscriptions of one connection. Default 100, the most."),
  path: option(v.pipe(v.string(), v.regex(/^\/[A-Za-z0-9/_-]*$/, "must be a path such as /mqtt")), "Path of MQTT over WebSocket on the http plugin's port. Default /mqtt."),
});

type Fields = v.InferOutput<typeof fields>;

const [login, certificate, known, unsigned] = [...listenerRules(() => true), signedRule(() => false)].map((rule) => ruleCheck<Fields>(rule));

/** What an MQTT listener's config may say. */
export const listenerConfig = v.pipe(fields, login!, certificate!, known!, unsigned!);

/** The config with all defaults filled in: durations in ms, sizes in bytes. */
export type MqttListenerConfig = v.InferOutput<typeof listenerConfig>;
