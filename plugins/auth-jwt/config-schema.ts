import { duration, integer, topicPattern } from "@busbar/core";
import * as v from "valibot";
import { filePath, principalId, roleName } from "./config-fields.ts";
import { enrolmentConfig } from "./enrolment-config.ts";
import { guessingConfig } from "./guessing-config.ts";
import { keysConfig, keySetsConfig } from "./key-config.ts";
import { messageKeysField } from "./message-keys.ts";
import { registerFileConfig } from "./register-config.ts";
import { isGroupName, roleSchema } from "./role-schema.ts";
import { parseSecretHash } from "./secret-hash.ts";

const groupName = () => v.pipe(v.string(), v.check(isGroupName, "must be a group name: one level of [A-Za-z0-9._:@-]+"));
const roleNames = (what: string) => v.optional(v.pipe(v.array(roleName()), v.maxLength(64), v.description(what)), []);
const groupNames = () => v.optional(v.pipe(v.array(groupName()), v.maxLength(1000), v.description("Groups it is in, besides those of `groups` that name its id. Up to 1,000.")), []);

const device = v.strictObject({
  secret: v.pipe(
    v.string(),
    v.check((text) => parseSecretHash(text) !== undefined, "must be a hash scrypt$N$r$p$salt$hash with N 1024 to 131072, r 1 to 16, p 1 to 4"),
    v.description("The hash of its secret, as `hashSecret` makes it. Never the secret itself."),
  ),
  roles: roleNames("Its roles. Up to 64."),
  groups: groupNames(),
});

const certificate = v.strictObject({
  id: v.pipe(principalId(), v.description("The id its holder gets.")),
  roles: roleNames("Its roles. Up to 64."),
  groups: groupNames(),
});

/** The config of the plugin. Strict: unknown keys are errors. README.md has it as a table. */
export const configSchema = v.strictObject({
  keyFile: v.optional(
    v.pipe(
      v.union([v.pipe(v.string(), v.minLength(1), v.maxLength(4096)), v.literal(false)], "must be the path of a file, or false"),
      v.description("The secret that signs and checks our own tokens (HS256), made at the first start with mode 0600. false: no token is signed here, only those of `keys` are taken."),
    ),
    "data/signing.key",
  ),
  keys: keysConfig,
  jwks: keySetsConfig,
  roles: v.optional(v.pipe(v.record(roleName(), roleSchema), v.maxEntries(1000), v.description("What the holders of a role may do; what no role grants is refused. Up to 1,000.")), {}),
  groups: v.optional(
    v.pipe(
      v.record(groupName(), v.pipe(v.array(topicPattern()), v.maxLength(10_000))),
      v.maxEntries(1000),
      v.description("Device groups: ids, or patterns of ids with + and #. Up to 1,000 groups of 10,000."),
    ),
    {},
  ),
  devices: v.optional(v.pipe(v.record(principalId(), device), v.maxEntries(100_000), v.description("Devices that log in with a secret of their own instead of a token, by id. Up to 100,000.")), {}),
  messageKeys: messageKeysField(principalId),
  certificates: v.optional(
    v.pipe(
      v.record(v.pipe(v.string(), v.minLength(1), v.maxLength(255)), certificate),
      v.maxEntries(100_000),
      v.description("Who a client certificate stands for, by its CN or a DNS name of its SAN, compared letter by letter. Up to 100,000."),
    ),
    {},
  ),
  certificateId: v.optional(
    v.pipe(
      v.picklist(["none", "cn"]),
      v.description("What becomes of a certificate that `certificates` does not name: \"none\" refuses it, \"cn\" takes its CN as the id and gives it `certificateRoles`."),
    ),
    "none",
  ),
  certificateRoles: roleNames("The roles of those whom `certificateId` lets in. Up to 64."),
  revoked: v.optional(
    v.pipe(
      v.array(v.pipe(v.string(), v.minLength(1), v.maxLength(256))),
      v.maxLength(100_000),
      v.description("What no longer counts: a token's jti, a certificate's fingerprint, or an id, which ends all that lies below it too. Up to 100,000."),
    ),
    [],
  ),
  revocationsFile: v.optional(filePath("A file with more of the same, one a line; a line that begins with # is a comment. It must exist; changes take effect within `revocationsInterval`. Up to 100,000 lines, 16 MiB.")),
  revocationsInterval: v.pipe(v.optional(duration(1000, 25_000), 5000), v.description("How often revocationsFile is looked at. 1 s to 25 s.")),
  guessing: guessingConfig,
  registerFile: registerFileConfig,
  enrolment: enrolmentConfig,
  clockTolerance: v.pipe(v.optional(duration(0, 300_000), 5000), v.description("How far ahead the clock of whoever signs may run (nbf). Up to 5 min.")),
  cacheSize: v.optional(v.pipe(integer(0, 1_000_000), v.description("Checked tokens and secrets that are remembered, so that reconnecting is cheap. 0 to 1,000,000.")), 10_000),
});

/** The checked config, with all defaults filled in. */
export type AuthJwtConfig = v.InferOutput<typeof configSchema>;
