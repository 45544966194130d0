import { BusbarError, idText, integer, type Credentials, type DeviceCredential } from "@busbar/core";
import type { Context } from "hono";
import * as v from "valibot";
import { originOf } from "./bearer.ts";
import { defineOperation, type AnyOperation, type ApiParts, type AppEnv } from "./operation.ts";
import { forbidden, Problem } from "./problem.ts";
import { checkMaySee } from "./rights.ts";
import { shownCertificate } from "./shown-credentials.ts";

const roles = v.array(v.pipe(v.string(), v.minLength(1), v.maxLength(64)));
const expires = v.pipe(v.number(), v.description("ms since the Unix epoch"));
const enrolment = { id: v.string(), roles: v.array(v.string()), groups: v.array(v.string()), expires, by: v.pipe(v.string(), v.description("The id of whoever made it")) };
const csr = v.pipe(v.optional(v.pipe(v.string(), v.maxLength(16_384))), v.description("A PKCS#10 request in PEM: a certificate is wanted instead of a secret. Only its key counts; a CN in it must be the id"));
const secretText = v.pipe(v.string(), v.minLength(1), v.maxLength(1024));
const credential = v.union([
  v.object({ id: v.string(), secret: v.pipe(v.string(), v.description("Told this once; only a hash of it is kept")) }),
  v.object({ id: v.string(), certificate: v.pipe(v.string(), v.description("PEM")), authority: v.pipe(v.string(), v.description("The certificate that signed it, PEM")), expires }),
]);

const request = v.strictObject({
  id: idText(),
  roles: v.pipe(v.optional(v.pipe(roles, v.maxLength(64)), ["device"]), v.description("Of those that `enrolment.roles` of the authority's config allows")),
  groups: v.optional(v.pipe(v.array(v.pipe(v.string(), v.maxLength(256))), v.maxLength(1000)), []),
  ttl: v.pipe(v.optional(integer(1, 2_592_000)), v.description("Seconds in which it must be used; by default as the authority's config says")),
});

/** Devices that get a credential of their own: `/api/enrolments` for operators, `/api/enrol` for devices. */
export function enrolmentOperations(parts: ApiParts): AnyOperation[] {
  const { authority } = parts;
  return [
    defineOperation({
      method: "get",
      path: "/api/enrolments",
      id: "listEnrolments",
      summary: "Who may enrol at the moment",
      description: "Needs the right to subscribe to `gateway/enrolments`.",
      answers: { 200: { description: "All of them, without the tokens", schema: v.object({ enrolments: v.array(v.object(enrolment)) }) } },
      problems: [403, 503],
      handle({ principal, context }) {
        checkMaySee(parts, principal, "gateway/enrolments");
        const enrolments = (authority.enrolments ?? unsupported)();
        return context.json({ enrolments });
      },
    }),
    defineOperation({
      method: "post",
      path: "/api/enrolments",
      id: "makeEnrolment",
      summary: "Make a one-time token with which a device enrols",
      description: "It takes the place of an earlier one for that id. Needs the right to publish on `gateway/enrolments/<id>`.",
      body: request,
      answers: { 201: { description: "The token, told this once", schema: v.object({ token: v.string(), ...enrolment }) } },
      problems: [403, 503],
      async handle({ principal, body, context }) {
        if (!authority.can(principal, "publish", `gateway/enrolments/${body.id}`)) throw forbidden(`enrol ${body.id}`);
        return context.json(await said(() => (authority.enrol ?? unsupported)({ ...body, by: principal.id })), 201);
      },
    }),
    defineOperation({
      method: "post",
      path: "/api/enrol",
      id: "enrol",
      summary: "Trade a one-time token for a credential of one's own",
      description: "Needs nothing but the token, which is good once. Whatever is wrong with it is answered in the same words; whoever guesses has to wait longer and longer.",
      open: true,
      body: v.strictObject({ token: secretText, id: v.pipe(v.optional(idText()), v.description("Who the device says it is; must be who the token is for")), csr }),
      answers: { 201: { description: "The secret or the certificate", schema: credential } },
      problems: [401, 429, 503],
      handle: async ({ body, context }) => context.json(await said(() => (authority.redeem ?? unsupported)(body, originOf(context))), 201),
    }),
    defineOperation({
      method: "post",
      path: "/api/enrol/renew",
      id: "renewCredential",
      summary: "Renew one's own secret or certificate",
      description: "With `id` and `secret`, or over TLS with the client certificate. An old secret counts until the new one is used, an old certificate until it expires.",
      open: true,
      body: v.strictObject({ id: v.optional(idText()), secret: v.optional(secretText), csr }),
      answers: { 201: { description: "The new secret or certificate", schema: credential } },
      problems: [401, 403, 429, 503],
      async handle({ body, context }) {
        const credentials = credentialsOf(context, body);
        return context.json(await said(() => (authority.renew ?? unsupported)(credentials, { csr: body.csr }, originOf(context))), 201);
      },
    }),
  ];
}

/** What the device shows: its secret, or else the certificate that its connection was made with. */
function credentialsOf(context: Context<AppEnv>, { id, secret }: { readonly id?: string | undefined; readonly secret?: string | undefined }): Credentials {
  if (id !== undefined && secret !== undefined) return { kind: "token", token: secret, id };
  const shown = shownCertificate(context);
  if (shown !== undefined && id === undefined && secret === undefined) return shown;
  throw new Problem(422, { code: "BAD_FRAME", detail: "id and secret are needed, or a client certificate and neither of them" });
}

/** What cannot be is the asker's to mend: 422 with the reason. */
async function said<T extends DeviceCredential | object>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof BusbarError && error.code === "UNAUTHENTICATED" && error.retryable) throw new Problem(429, { detail: "Too many attempts have failed, or too many come at once: try again later", headers: { "retry-after": "5" } });
    if (error instanceof RangeError) throw new Problem(422, { code: "BAD_FRAME", detail: error.message });
    throw error;
  }
}

function unsupported(): never {
  throw new Problem(503, { code: "UNAVAILABLE", detail: "The authority of this gateway enrols nobody" });
}
