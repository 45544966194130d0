import type { Authority } from "../authority.ts";
import { BusbarError } from "../errors.ts";

/** The authority of a gateway whose config names none, or whose own is being restarted: nobody gets in and nothing is granted. */
export const closedAuthority: Authority = {
  async authenticate() {
    throw new BusbarError("UNAUTHENTICATED", "Cannot authenticate anybody: no plugin of the config provides an authority");
  },
  can: () => false,
  stands: () => true, // whoever is in stays: a plugin that restarts must not cost every session; who comes back to the next authority is checked at once
  async issue() {
    throw new BusbarError("FORBIDDEN", "Cannot issue a token: no plugin of the config provides an authority");
  },
  onChange: () => () => {},
};
