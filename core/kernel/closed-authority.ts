import type { Authority } from "../authority.ts";
import { BusbarError } from "../errors.ts";

/** The authority of a gateway whose config names none: nobody gets in. */
export const closedAuthority: Authority = {
  async authenticate() {
    throw new BusbarError("UNAUTHENTICATED", "Cannot authenticate anybody: no plugin of the config provides an authority");
  },
  can: () => false,
  stands: () => false,
  async issue() {
    throw new BusbarError("FORBIDDEN", "Cannot issue a token: no plugin of the config provides an authority");
  },
  onChange: () => () => {},
};
