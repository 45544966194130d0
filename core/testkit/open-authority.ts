import type { Authority, Principal } from "../authority.ts";
import { BusbarError } from "../errors.ts";

/**
 * An authority for tests: a token is `<id>` or `<id>:<role>,<role>` and is always believed; the role `none` may do nothing, everybody else everything.
 */
export function openAuthority(): Authority {
  return {
    async authenticate(credentials) {
      if (credentials.kind === "certificate") return { id: credentials.names[0]!, roles: [], groups: [] };
      const [id, roles] = credentials.token.split(":");
      if (!id || (credentials.id !== undefined && credentials.id !== id)) throw new BusbarError("UNAUTHENTICATED", "Cannot authenticate: the token names another id");
      return { id, roles: roles?.split(",") ?? [], groups: [] };
    },
    can: (principal: Principal) => !principal.roles.includes("none"),
    stands: () => true,
    async issue(request) {
      return `${request.id}:${request.roles.join(",")}`;
    },
    onChange: () => () => {},
  };
}
