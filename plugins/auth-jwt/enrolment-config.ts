import { duration, integer } from "@busbar/core";
import * as v from "valibot";
import { filePath, roleName } from "./config-fields.ts";

const authority = v.strictObject({
  certFile: filePath("The certificate of the site's authority, PEM, as `busbar cert ca` makes it."),
  keyFile: filePath("Its private key on P-256, PEM; only its owner may have access."),
  passphrase: v.exactOptional(v.pipe(v.string(), v.minLength(1), v.maxLength(1024), v.description("Of the private key; use ${env:NAME} or ${file:path} rather than plain text."))),
});

/** `enrolment` of the config. */
export const enrolmentConfig = v.optional(
  v.pipe(
    v.strictObject({
      roles: v.pipe(v.optional(v.pipe(v.array(roleName()), v.maxLength(64)), ["device"]), v.description("The only roles that an enrolment may give. Up to 64.")),
      ttl: v.pipe(v.optional(duration(60_000, 2_592_000_000), 3_600_000), v.description("How long a one-time token is good for when whoever makes it does not say. 1 min to 30 d.")),
      ca: v.exactOptional(v.pipe(authority, v.description("The authority that signs certificates of devices. Without it they get secrets only."))),
      certificateDays: v.pipe(v.optional(integer(1, 3650), 365), v.description("Days that a device's certificate is good for, never beyond the authority's own. 1 to 3,650.")),
    }),
    v.description("Devices that trade a one-time token for a secret or a certificate of their own."),
  ),
  {},
);
