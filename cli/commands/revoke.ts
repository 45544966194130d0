import type { Revocation } from "@busbar/core";
import { accessOptions, openAccess } from "../client/access.ts";
import { callApi } from "../client/api.ts";
import { defineCommand } from "../command.ts";
import { usageFailure } from "../failure.ts";
import { formatTable, oneLine, print } from "../terminal.ts";

const kinds = ["token", "device", "role"];

/** `busbar revoke`: what no longer counts in a running gateway. */
export default defineCommand({
  description:
    "Revokes a token by its jti (or a client certificate by its fingerprint), a device with all that lies below its id, or a role: live sessions end, or lose what the role gave them, at once. It lasts until --undo. Without a name it lists what is revoked.",
  positionals: ["token|device|role|list", "name?"],
  options: {
    undo: { kind: "flag", text: "let it count again" },
    json: { kind: "flag", text: 'list: each as one line of JSON; else print {"changed"}' },
    ...accessOptions,
  },
  examples: [
    ["busbar revoke device sensor-1", "it was stolen"],
    ["busbar revoke role contractor", "nobody is one any more"],
    ["busbar revoke list", "what is revoked, since when, by whom"],
  ],
  async run({ positionals, options }) {
    const [kind = "", name] = positionals;
    const { undo, json } = options;
    if (kind !== "list" && !kinds.includes(kind)) throw usageFailure(`revoke: "${oneLine(kind)}" must be token, device, role or list`);
    if (kind === "list" && (name !== undefined || undo)) throw usageFailure("revoke: list takes no name and no --undo");
    if (kind !== "list" && name === undefined) throw usageFailure(`revoke: <name> is missing: which ${kind}?`);
    const access = await openAccess(options, { roles: ["admin"], ttl: 600, user: true, protocol: "ws" });
    const token = await access.tokenFor("busbar-revoke");
    if (kind === "list") {
      const { revocations } = await callApi<{ readonly revocations: readonly Revocation[] }>({ at: access.url, ca: access.ca, token, path: "/api/revocations", verb: "list revocations" });
      if (json) for (const one of revocations) print(JSON.stringify(one));
      else print(revocations.length === 0 ? "nothing is revoked" : formatTable(revocations.map((one) => [one.kind, oneLine(one.name), new Date(one.time).toISOString().slice(0, 19) + "Z", oneLine(one.by)])));
      return 0;
    }
    const { changed } = await callApi<{ readonly changed: boolean }>({ at: access.url, ca: access.ca, token, path: "/api/revocations", body: { kind, name, undo }, verb: `${undo ? "restore" : "revoke"} the ${kind}` });
    const what = `${kind} ${oneLine(name ?? "")}`;
    if (json) print(JSON.stringify({ changed }));
    else if (changed) print(undo ? `${what} counts again` : `${what} is revoked`);
    else print(undo ? `${what} was not revoked` : `${what} was revoked already`);
    return 0;
  },
});
