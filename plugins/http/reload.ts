import type { ReloadReport } from "@busbar/core";
import * as v from "valibot";
import { defineOperation, type AnyOperation, type ApiParts } from "./operation.ts";
import { forbidden, Problem } from "./problem.ts";
import { checkMaySee, gatewayRight } from "./rights.ts";

const ids = (what: string) => v.pipe(v.array(v.string()), v.description(what));
const report = v.object({
  number: v.pipe(v.number(), v.description("Counts from 1 since the gateway started")),
  state: v.pipe(v.picklist(["running", "done", "refused"]), v.description('"running": this is being done; "refused": everything runs on as before')),
  problems: ids("What is wrong, a line each"),
  added: ids("Plugin instances that are new"),
  removed: ids("Instances that are gone"),
  restarted: ids("Instances whose section changed"),
  refreshed: ids("What was new in files, such as a certificate, a line each"),
  routes: v.pipe(v.boolean(), v.description("Whether routes changed")),
  settings: v.pipe(v.boolean(), v.description("Whether settings of the gateway section changed: they take effect at the next start")),
});

/** Reading the config and the files that it names again: `/api/reload`. */
export function reloadOperations(parts: ApiParts): AnyOperation[] {
  return [
    defineOperation({
      method: "post",
      path: "/api/reload",
      id: "reload",
      summary: "Read the config and the files that it names again, and run what is new",
      description: `Connections of plugins that did not change stay open. Needs the right to publish on \`${gatewayRight}\`.`,
      answers: {
        200: { description: "It is done, or was refused", schema: report },
        202: { description: "It is being done, and ends this very server: ask `GET /api/reload` how it went", schema: report },
      },
      problems: [403, 503],
      async handle({ principal, context }) {
        if (!parts.authority.can(principal, "publish", gatewayRight)) throw forbidden("reload the config");
        const planned = Promise.withResolvers<ReloadReport>();
        const leaves = ({ restarted, removed }: ReloadReport): boolean => [...restarted, ...removed].includes(parts.id);
        const done = parts.gateway.reload((plan) => leaves(plan) && planned.resolve(plan));
        const found = await Promise.race([done, planned.promise]);
        const { state, added, removed, restarted, refreshed } = found;
        parts.audit.write("reload", { by: principal.id, state, added, removed, restarted, refreshed });
        return context.json(found, state === "running" ? 202 : 200);
      },
    }),
    defineOperation({
      method: "get",
      path: "/api/reload",
      id: "getReload",
      summary: "What the last reload did",
      description: `Needs the right to subscribe to \`${gatewayRight}\`.`,
      answers: { 200: { description: "The one that runs, else the last one", schema: report } },
      problems: [403, 404],
      handle({ principal, context }) {
        checkMaySee(parts, principal, gatewayRight);
        const last = parts.gateway.lastReload();
        if (last === undefined) throw new Problem(404, { code: "NOT_FOUND", detail: "Nothing was reloaded since the gateway started" });
        return context.json(last);
      },
    }),
  ];
}
