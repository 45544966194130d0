import type { Authority, Principal } from "../authority.ts";
import { BusbarError } from "../errors.ts";

/**
 * An authority for tests: a token is `<id>` or `<id>:<role>,<role>` and is always believed; the role `none` may do nothing, everybody else everything. `messageKeys`: the texts with which an id signs.
 */
export function openAuthority({ messageKeys = {} }: { readonly messageKeys?: Readonly<Record<string, readonly string[]>> } = {}): Authority {
  return {
    async authenticate(credentials) {
      if (credentials.kind === "certificate") return { id: credentials.names[0]!, roles: [], groups: [] };
      const [id, roles] = credentials.token.split(":");
      if (!id || (credentials.id !== undefined && credentials.id !== id)) throw new BusbarError("UNAUTHENTICATED", "Cannot authenticate: the token names another id");
      return { id, roles: roles?.split(",") ?? [], groups: [] };
    },
    can: (principal: Principal) => !principal.roles.includes("none"),
    stands: () => true,
    messageKeys: (id) => (messageKeys[id] ?? []).map((key) => new TextEncoder().encode(key)),
    async issue(request) {
      return `${request.id}:${request.roles.join(",")}`;
    },
    onChange: () => () => {},
  };
}
