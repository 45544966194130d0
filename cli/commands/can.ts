import { isIP } from "node:net";
import { authJwt, createRights, isPrincipalId, knownPrincipals, tokenPrincipal, transports, type AuthJwtConfig } from "@busbar/auth-jwt";
import { fixedDecision, formatProblem, isPattern, loadConfig, type Action, type Decision, type Principal } from "@busbar/core";
import { formatDecision, formatRights, toDecisionJson, toRightsJson, type RightsSource } from "../can/format-rights.ts";
import { defineCommand } from "../command.ts";
import { findConfig } from "../config-file.ts";
import { Failure, usageFailure } from "../failure.ts";
import { complain, print } from "../terminal.ts";

/** `busbar can`: what somebody may do by the config, and which rule says so. */
export default defineCommand({
  description: "Says whether somebody may publish on a topic, or subscribe to a pattern, and which rule of which role in which line decides; without an action lists all that it may do. Ends with 0 when it may, else with 77. It answers by the config alone, and says so on stderr: what was revoked or enrolled while the gateway ran is in busbar revoke list and busbar enrol. No gateway needs to run.",
  positionals: ["id", "action?", "topic?"],
  options: {
    role: { kind: "text", value: "role", many: true, text: "a role it holds; may be given several times (default: what the config says about a device or certificate of that id)" },
    transport: { kind: "choice", of: transports, text: "over which it comes, for rules with a condition; goes with --from" },
    from: { kind: "text", value: "address", text: "the address it comes from, for rules with a condition; goes with --transport" },
    config: { kind: "text", value: "file", text: "the config (default busbar.yaml)" },
    json: { kind: "flag", text: 'print {"allowed","id","action","topic","roles","groups","why","rule"?,"near"}, or {"id","roles","groups","rules"}' },
  },
  examples: [
    ["busbar can home-7 publish status/home-70 --role device", "may it?"],
    ["busbar can anna subscribe 'audit/#' --role operator --transport http --from 10.20.0.9", "may she, from there?"],
    ["busbar can lamp-1", "all that it may do"],
  ],
  async run({ positionals, options }) {
    const [id = "", action, topic] = positionals;
    checkQuestion(id, action, topic);
    const { config, source } = await readRights(await findConfig(options.config));
    const principal = { ...findPrincipal(config, id, options.role), ...placeOf(options) };
    const rights = createRights(config.roles);
    complain("busbar: by the config alone; what was revoked or enrolled while the gateway ran does not count here");
    if (topic === undefined) {
      const rules = rights.rules(principal);
      print(options.json ? JSON.stringify(toRightsJson(principal, rules, source)) : formatRights(principal, rules, source));
      return 0;
    }
    const decision: Decision = fixedDecision(id, action as Action, topic) ?? rights.explain(principal, action as Action, topic);
    print(options.json ? JSON.stringify({ id, action, topic, roles: principal.roles, groups: principal.groups, ...toDecisionJson(decision, source) }) : formatDecision(decision, { principal, source }));
    return decision.allowed ? 0 : 77;
  },
});

function checkQuestion(id: string, action: string | undefined, topic: string | undefined): void {
  if (!isPrincipalId(id)) throw usageFailure(`can: ${JSON.stringify(id.slice(0, 256))} is not an id that somebody may have`);
  if (action === undefined) return;
  if (action !== "publish" && action !== "subscribe") throw usageFailure(`can: the action must be publish or subscribe, not ${JSON.stringify(action)}`);
  if (topic === undefined) throw usageFailure("can: <topic> is missing");
  if (!isPattern(topic)) throw usageFailure(`can: ${JSON.stringify(topic.slice(0, 80))} is not a topic or a pattern such as status/home-7 or status/+/#`);
}

async function readRights(file: string): Promise<{ readonly config: AuthJwtConfig; readonly source: RightsSource }> {
  const { config, problems, place } = await loadConfig(file);
  if (config === undefined) throw new Failure(78, problems.map(formatProblem));
  const section = config.instances.find(({ plugin }) => plugin.name === authJwt.name); // the plugin itself may be another copy of it
  if (section === undefined) throw new Failure(78, [`busbar: cannot say what somebody may do: ${file} has no ${authJwt.name} section`]);
  return { config: section.config as AuthJwtConfig, source: { file, instance: section.id, place } };
}

/** With roles: somebody who comes with a token. Without: the one way in which the config knows him. */
function findPrincipal(config: AuthJwtConfig, id: string, roles: readonly string[]): Principal {
  const unknown = roles.find((role) => !Object.hasOwn(config.roles, role));
  if (unknown !== undefined) throw usageFailure(`can: there is no role ${JSON.stringify(unknown)}; there are ${Object.keys(config.roles).join(", ") || "none"}`);
  if (roles.length > 0) return tokenPrincipal(config, { id, roles: [...new Set(roles)] });
  const known = knownPrincipals(config, id);
  const [first, ...others] = known;
  if (first === undefined) throw usageFailure(`can: the config does not know ${JSON.stringify(id)}, whose token may name any role: say which with --role`);
  if (others.length > 0) throw usageFailure(`can: the config knows ${JSON.stringify(id)} as ${known.map(({ source, roles: held }) => `${source} (${held.join(", ") || "no role"})`).join(" and ")}: say with --role which roles are meant`);
  return first;
}

function placeOf({ transport, from }: { readonly transport: string | undefined; readonly from: string | undefined }): Pick<Principal, "via"> {
  if (transport === undefined && from === undefined) return {};
  if (transport === undefined || from === undefined) throw usageFailure("can: --transport and --from go together");
  if (isIP(from) === 0) throw usageFailure(`can: --from must be an address, not ${JSON.stringify(from.slice(0, 80))}`);
  return { via: { transport, remote: from } };
}
