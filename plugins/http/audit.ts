import type { AuditRecord, Principal } from "@busbar/core";
import type * as v from "valibot";
import { readHistory } from "./messages.ts";
import { defineOperation, type AnyOperation, type ApiParts } from "./operation.ts";
import { Problem } from "./problem.ts";
import { checkMaySee } from "./rights.ts";
import { historyQuery, messagePage } from "./shapes.ts";

type Page = v.InferInput<typeof messagePage>;

const pattern = "audit/#";

/** The audit log: `/api/audit`. */
export function auditOperations(parts: ApiParts): AnyOperation[] {
  return [
    defineOperation({
      method: "get",
      path: "/api/audit",
      id: "listAudit",
      summary: "The audit log, oldest first",
      description: `Needs the right to subscribe to \`${pattern}\`. Each entry as the message that was said when it happened; \`offset\` is its number, \`payload.hash\` its hash. Without a plugin that keeps the audit log: what the journal still has of these messages.`,
      query: historyQuery,
      answers: { 200: { description: "A page", schema: messagePage } },
      problems: [403, 503],
      handle: async ({ principal, query, context }) => context.json(await readAudit(parts, principal, query)),
    }),
  ];
}

async function readAudit(parts: ApiParts, principal: Principal, query: v.InferOutput<typeof historyQuery>): Promise<Page> {
  if (parts.auditLog === undefined) return readHistory(parts, principal, { ...query, topic: pattern });
  checkMaySee(parts, principal, pattern);
  const { since, until, limit, cursor = "0" } = query;
  if (!/^\d{1,15}$/.test(cursor)) throw new Problem(400, { detail: `query.cursor: Cannot read from cursor ${JSON.stringify(cursor.slice(0, 80))}: it is none` });
  const { records, next } = await parts.auditLog.read({ after: Number(cursor), since, until, limit });
  return { messages: records.map(messageOf), ...(next === undefined ? {} : { next: String(next) }) };
}

function messageOf({ seq, time, action, source, fields, prev, hash }: AuditRecord): Page["messages"][number] {
  return { ver: "1.0", msgid: `audit-${seq}`, timestamp: time, from: source, to: "server", type: "audit", payload: { ...fields, action, prev, hash }, qos: 1, retain: false, offset: seq };
}
