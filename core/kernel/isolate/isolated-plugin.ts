import * as v from "valibot";
import type { PluginPackage } from "../../config/permissions/plugin-manifest.ts";
import type { Audit } from "../../audit.ts";
import type { Journal } from "../../journal.ts";
import type { AnyPlugin, PluginContext } from "../../plugin.ts";
import { AuditPort, JournalPort, optional, SessionsPort } from "../../ports.ts";
import type { Sessions } from "../../session/sessions.ts";
import type { PluginDescription } from "./describe-plugin.ts";
import { runIsolated } from "./isolate.ts";
import type { IsolateSettings } from "./isolate-settings.ts";

/** Ports that a plugin in an isolate may need: sessions, the audit log, and of the journal its epoch. */
const crossing: readonly string[] = [SessionsPort.name, JournalPort.name, AuditPort.name];

/** Why a plugin cannot run in an isolate; undefined when it can. */
export function isolationFault({ provides, needs, steps, checked }: PluginDescription): string | undefined {
  const signed = (checked?.output as { readonly signed?: unknown } | undefined)?.signed;
  if (signed === "accept" || signed === "require") return "signatures are checked in the gateway, and what is signed does not cross the border of an isolate";
  if (provides.length > 0) return `it provides the port "${provides[0]}" to others, which does not cross the border of an isolate`;
  if (steps.length > 0) return `it offers steps to routes, such as "${steps[0]}", which do not cross the border of an isolate`;
  const missing = needs.find(({ port, optional: spare }) => !spare && !crossing.includes(port));
  return missing && `it needs the port "${missing.port}", which does not cross the border of an isolate: only ${crossing.join(" and ")} do`;
}

/** What stands in a gateway for a plugin that runs in an isolate: a plugin whose setup starts the isolate and carries everything across. None of the plugin's own code is loaded here. */
export function isolatedPlugin(description: PluginDescription, spec: { readonly settings: IsolateSettings; readonly package: PluginPackage }): AnyPlugin {
  const { name, description: text, accepts, needs: all, listens, checked } = description;
  const wanted = new Map(all.filter(({ port }) => crossing.includes(port)).map((need) => [need.port, need.optional] as const));
  const sessions = wanted.get(SessionsPort.name);
  const journal = wanted.get(JournalPort.name);
  const needs = {
    ...(sessions !== undefined && { sessions: sessions ? optional(SessionsPort) : SessionsPort }),
    ...(journal !== undefined && { journal: journal ? optional(JournalPort) : JournalPort }),
    ...(wanted.has(AuditPort.name) && { audit: AuditPort }),
  };
  return {
    name,
    description: text,
    config: v.any(),
    accepts,
    needs,
    listens: () => listens,
    setup: (ctx: PluginContext) => runIsolated(ctx, { ...spec, accepts, source: checked?.source, needs: ({ needs: given }) => given as { readonly sessions?: Sessions; readonly journal?: Journal; readonly audit?: Audit } }),
  };
}
