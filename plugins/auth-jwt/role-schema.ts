import { isId, isNetwork, isPattern } from "@busbar/core";
import * as v from "valibot";

/** Ways in that a condition can name: `Transport.kind` of every listener, and "http" for requests to the API. */
export const transports = ["websocket", "tcp", "mqtt", "http"] as const;

/** Whether `text` is a pattern of a role: a topic filter in which a whole level may be `{id}` or `{group}`. */
export function isRolePattern(text: string): boolean {
  return text.length <= 512 && isPattern(text.split("/").map((level) => (level === "{id}" || level === "{group}" ? "x" : level)).join("/"));
}

/** Whether `text` can be the name of a group: one level of an id. */
export function isGroupName(text: string): boolean {
  return isId(text) && !text.includes("/");
}

/** An IPv4 network in the clothes of IPv6 (RFC 4291 §2.5.5.2) would never be met: addresses are compared without them. */
const isMapped = (network: string): boolean => /^(?:0*:){2,5}0*ffff:/i.test(network);

const network = v.pipe(
  v.string(),
  v.check((text) => isNetwork(text) && !text.includes("%"), "must be an address or a network such as 10.0.0.0/8 or fd00::/8"),
  v.check((text) => !isMapped(text), "must be written as the IPv4 network that it is, such as 10.0.0.0/8"),
);

const condition = v.pipe(
  v.strictObject({
    transports: v.exactOptional(v.pipe(v.array(v.picklist(transports)), v.minLength(1), v.maxLength(4), v.description("Ways in: websocket, tcp, mqtt, http (requests to the API). Default: any."))),
    networks: v.exactOptional(v.pipe(v.array(network), v.minLength(1), v.maxLength(1000), v.description("Networks or addresses that the connection comes from, as its socket sees it; this machine is 127.0.0.0/8 and ::1. Up to 1,000. Default: any."))),
  }),
  v.check(({ transports, networks }) => transports !== undefined || networks !== undefined, "must say transports, networks or both"),
);

/** When something holds: over one of the transports and from one of the networks, where both are said. */
export type Condition = v.InferOutput<typeof condition>;

const pattern = v.pipe(v.string(), v.check(isRolePattern, "must be a topic pattern such as status/{id}/#, in which {id} and {group} each stand for whole levels"));
const rules = (what: string, when: string) =>
  v.optional(v.pipe(v.array(v.union([pattern, v.strictObject({ topic: pattern, when: v.pipe(condition, v.description(when)) })], "must be a topic pattern, or {topic, when}")), v.maxLength(1000), v.description(what)), []);
const grants = (what: string) => rules(what, "The rule grants only there.");
const denials = (what: string) => rules(what, "The rule denies only there. Default: everywhere.");

/** One role of the config. */
export const roleSchema = v.strictObject({
  when: v.exactOptional(v.pipe(condition, v.description("What the role grants it grants only there; what it denies it denies everywhere. Default: everywhere."))),
  publish: grants("Topics its holders may publish to. {id} is the holder's id, {group} each of its groups. Up to 1,000."),
  subscribe: grants("Topics its holders may subscribe to; what they ask for must lie wholly within one of these patterns. Up to 1,000."),
  deny: v.optional(
    v.strictObject({
      publish: denials("Topics its holders may not publish to, whatever else grants it. Up to 1,000."),
      subscribe: denials("Topics its holders may not subscribe to; a subscription that touches one of them is refused as a whole. Up to 1,000."),
    }),
    {},
  ),
});

/** One role of the checked config. */
export type RoleConfig = v.InferOutput<typeof roleSchema>;
