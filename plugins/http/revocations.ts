import { type Principal, type RevocationChange } from "@busbar/core";
import * as v from "valibot";
import { defineOperation, type AnyOperation, type ApiParts } from "./operation.ts";
import { forbidden, Problem } from "./problem.ts";
import { checkMaySee } from "./rights.ts";

const revocation = v.object({
  kind: v.pipe(v.picklist(["token", "device", "role"]), v.description("A credential by its name (a token's jti, a certificate's fingerprint), a device with all that lies below its id, or a role")),
  name: v.string(),
  time: v.pipe(v.number(), v.description("When, ms since the Unix epoch")),
  by: v.pipe(v.string(), v.description("The id of whoever said so")),
});

const change = v.strictObject({
  kind: revocation.entries.kind,
  name: v.pipe(v.string(), v.minLength(1), v.maxLength(256)),
  undo: v.pipe(v.optional(v.boolean(), false), v.description("Let it count again")),
});

/** What no longer counts: `/api/revocations`. */
export function revocationOperations(parts: ApiParts): AnyOperation[] {
  return [
    defineOperation({
      method: "get",
      path: "/api/revocations",
      id: "listRevocations",
      summary: "What was revoked while the gateway ran, oldest first",
      description: "Without what the config itself names. Needs the right to subscribe to `gateway/revocations`.",
      answers: { 200: { description: "All of it", schema: v.object({ revocations: v.array(revocation) }) } },
      problems: [403, 503],
      handle({ principal, context }) {
        checkMaySee(parts, principal, "gateway/revocations");
        const revocations = (parts.authority.revocations ?? unsupported)();
        return context.json({ revocations });
      },
    }),
    defineOperation({
      method: "post",
      path: "/api/revocations",
      id: "revoke",
      summary: "Revoke a credential, a device or a role, or undo that",
      description: "Durable, and in force for live sessions, when it answers. Needs the right to publish on `gateway/revocations/token`, `gateway/revocations/role`, or `gateway/revocations/device/<id>`.",
      body: change,
      answers: { 200: { description: "It is so; `changed` is false when it was so already", schema: v.object({ changed: v.boolean() }) } },
      problems: [403, 503],
      async handle({ principal, body, context }) {
        checkMayRevoke(parts, principal, body);
        return context.json({ changed: await revoke(parts, { ...body, by: principal.id }) });
      },
    }),
  ];
}

function checkMayRevoke(parts: ApiParts, principal: Principal, { kind, name }: Pick<RevocationChange, "kind" | "name">): void {
  const topic = `gateway/revocations/${kind}${kind === "device" ? `/${name}` : ""}`;
  if (!/[+#\u0000]/.test(topic) && parts.authority.can(principal, "publish", topic)) return;
  throw forbidden(`revoke a ${kind}`);
}

async function revoke({ authority }: ApiParts, request: RevocationChange): Promise<boolean> {
  if (authority.revoke === undefined) return unsupported();
  try {
    return await authority.revoke(request);
  } catch (error) {
    if (error instanceof RangeError) throw new Problem(422, { code: "BAD_FRAME", detail: error.message });
    throw error;
  }
}

function unsupported(): never {
  throw new Problem(503, { code: "UNAVAILABLE", detail: "The authority of this gateway keeps no revocations of its own" });
}
