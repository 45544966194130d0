import { idText, isId, isReservedId } from "@busbar/core";
import * as v from "valibot";

/** Whether somebody may be called `id`: an id (WIRE §1) that does not lie at or below a reserved one. */
export function isPrincipalId(id: string): boolean {
  return isId(id) && !isReservedId(id);
}

/** An id that somebody may have. */
export const principalId = () => v.pipe(idText(), v.check(isPrincipalId, "must not lie below a reserved id: server, all, group"));

/** The name of a role. */
export const roleName = () => v.pipe(v.string(), v.regex(/^[A-Za-z0-9._-]{1,64}$/, "must be a role name: 1 to 64 of [A-Za-z0-9._-]"));

/** The path of a file; `what` describes it. */
export const filePath = (what: string) => v.pipe(v.string(), v.minLength(1), v.maxLength(4096), v.description(what));

/** Exactly one of two keys must be there. */
export const oneOf = <T extends object>(one: string, other: string) =>
  v.check<T, string>((entry) => Object.hasOwn(entry, one) !== Object.hasOwn(entry, other), `must have exactly one of ${one} and ${other}`);

/** What a key is believed: without these, any id and any role. */
export const trustFields = {
  roles: v.exactOptional(v.pipe(v.array(roleName()), v.maxLength(64), v.description("The only roles that its tokens may give; others in them grant nothing and are logged. Default: every role. Up to 64."))),
  within: v.exactOptional(v.pipe(principalId(), v.description("Its tokens may only be for this id and those below it. Default: any id."))),
};
