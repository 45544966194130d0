import * as v from "valibot";

/** `registerFile` of the config. */
export const registerFileConfig = v.optional(
  v.pipe(
    v.union([v.pipe(v.string(), v.minLength(1), v.maxLength(4096)), v.literal(false)], "must be the path of a file, or false"),
    v.description("Where revocations, enrolments and enrolled devices are kept, made when the first is, with mode 0600. Up to 256 MiB. false: nothing can be revoked or enrolled while the gateway runs."),
  ),
  "data/identities.jsonl",
);
