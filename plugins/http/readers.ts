import { BusbarError, idText, integer } from "@busbar/core";
import * as v from "valibot";
import { defineOperation, type AnyOperation, type ApiParts } from "./operation.ts";
import { forbidden, Problem } from "./problem.ts";
import { checkMaySee, gatewayRight } from "./rights.ts";

const reader = v.object({
  reader: v.pipe(v.string(), v.description("`<instance>/<name>`")),
  offset: v.pipe(integer(0, Number.MAX_SAFE_INTEGER), v.description("Everything up to here is done; retention by age or size keeps the rest for it")),
  behind: v.pipe(integer(0, Number.MAX_SAFE_INTEGER), v.description("Offsets between that and the newest")),
  used: v.pipe(v.boolean(), v.description("Whether a plugin reads with it now")),
});

/** Where the durable readers stand: `/api/readers`. */
export function readerOperations(parts: ApiParts): AnyOperation[] {
  return [
    defineOperation({
      method: "get",
      path: "/api/readers",
      id: "listReaders",
      summary: "Where each durable reader stands in the journal, those that are gone too",
      description: `Needs the right to subscribe to \`${gatewayRight}\`.`,
      answers: { 200: { description: "All of them", schema: v.object({ readers: v.array(reader) }) } },
      problems: [403, 503],
      async handle({ principal, context }) {
        checkMaySee(parts, principal, gatewayRight);
        return context.json({ readers: await parts.cursors.list() });
      },
    }),
    defineOperation({
      method: "post",
      path: "/api/readers/drop",
      id: "dropReader",
      summary: "Forget a durable reader that is gone, so that the journal need not keep anything for it",
      description: `One of that name that comes later begins anew. Needs the right to publish on \`${gatewayRight}\`.`,
      body: v.strictObject({ reader: idText() }),
      answers: { 200: { description: "It is gone", schema: v.object({ reader: v.string() }) } },
      problems: [403, 404, 409, 503],
      async handle({ principal, body, context }) {
        if (!parts.authority.can(principal, "publish", gatewayRight)) throw forbidden("drop readers");
        try {
          await parts.cursors.drop(body.reader);
        } catch (error) {
          if (error instanceof BusbarError && error.code === "REFUSED") throw new Problem(409, { code: "REFUSED", detail: error.message });
          throw error;
        }
        parts.audit.write("reader-drop", { by: principal.id, reader: body.reader });
        return context.json({ reader: body.reader });
      },
    }),
  ];
}
