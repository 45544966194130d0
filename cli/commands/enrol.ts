import type { Enrolment } from "@busbar/core";
import { accessOptions, openAccess } from "../client/access.ts";
import { callApi } from "../client/api.ts";
import { defineCommand } from "../command.ts";
import { usageFailure } from "../failure.ts";
import { formatTable, oneLine, print } from "../terminal.ts";

const { role: _, ...access } = accessOptions;

/** `busbar enrol`: a one-time token for a device. */
export default defineCommand({
  description:
    "Makes a one-time token with which a device gets a secret or a certificate of its own, by POST /api/enrol of the gateway. Only a digest of the token is kept there. A new token takes the place of an earlier one for that id; what the device had before counts until the token is used. Without an id it lists who may enrol.",
  positionals: ["id?"],
  options: {
    role: { kind: "text", value: "role", many: true, text: "roles it will have, of those that enrolment.roles of the config allows (default device)" },
    group: { kind: "text", value: "group", many: true, text: "device groups it will be in" },
    ttl: { kind: "duration", min: 1000, max: 2_592_000_000, text: "how long the token is good for, 1s to 30d (default as the gateway's config says, else 1h)" },
    json: { kind: "flag", text: 'print {"token","id","roles","groups","expires","by"}; listing: one line of JSON each' },
    ...access,
  },
  examples: [
    ["busbar enrol sensor-1 --ttl 15m", "then at the device: curl -d '{\"token\":\"enrol-…\"}' -H content-type:application/json https://gateway/api/enrol"],
    ["busbar enrol", "who may enrol at the moment"],
  ],
  async run({ positionals, options }) {
    const [id] = positionals;
    const { role: roles, group: groups, ttl, json } = options;
    if (id === undefined && (roles.length > 0 || groups.length > 0 || ttl !== undefined)) throw usageFailure("enrol: <id> is missing: which device?");
    const { url, ca, tokenFor } = await openAccess({ ...options, role: [] }, { roles: ["admin"], ttl: 600, user: true, protocol: "ws" });
    const token = await tokenFor("busbar-enrol");
    if (id === undefined) {
      const { enrolments } = await callApi<{ readonly enrolments: readonly Enrolment[] }>({ at: url, ca, token, path: "/api/enrolments", verb: "list enrolments" });
      if (json) for (const one of enrolments) print(JSON.stringify(one));
      else print(enrolments.length === 0 ? "nobody may enrol" : formatTable(enrolments.map((one) => [oneLine(one.id), one.roles.map(oneLine).join(","), `until ${timeOf(one.expires)}`, oneLine(one.by)])));
      return 0;
    }
    const body = { id, groups, ...(roles.length === 0 ? {} : { roles }), ...(ttl === undefined ? {} : { ttl: Math.round(ttl / 1000) }) };
    const made = await callApi<Enrolment & { readonly token: string }>({ at: url, ca, token, path: "/api/enrolments", body, verb: `enrol ${oneLine(id)}` });
    print(json ? JSON.stringify(made) : made.token);
    return 0;
  },
});

function timeOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19) + "Z";
}
