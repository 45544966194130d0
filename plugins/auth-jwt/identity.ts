import { covers, type Log, type Principal } from "@busbar/core";
import type { AuthJwtConfig } from "./config-schema.ts";

/** What is known about somebody before roles and groups are looked up. */
export interface Identity {
  readonly id: string;
  /** Role names as the credentials give them; those that the config does not know are dropped. */
  readonly roles: readonly string[];
  /** Groups that the credentials give, besides those of the config's `groups`. */
  readonly groups?: readonly string[];
  /** Milliseconds since the Unix epoch. */
  readonly expires?: number;
  readonly credential?: string;
  /** A person or an app, not a device (the claim `user`). */
  readonly user?: boolean;
  /** What vouches for it: see `Principal.voucher`. */
  readonly voucher?: string;
  /** Roles that the credentials name although their key may not give them; for the log. */
  readonly excess?: readonly string[];
}

/** Makes the function that finds the device groups that an id is in by the config, besides those that are `given`: sorted, each once. */
export function createGroups(config: Pick<AuthJwtConfig, "groups">): (id: string, given?: readonly string[]) => readonly string[] {
  const groups = Object.entries(config.groups);
  return (id, given = []) => {
    const member = groups.filter(([, patterns]) => patterns.some((pattern) => covers(pattern, id))).map(([name]) => name);
    return Object.freeze([...new Set([...given, ...member])].sort());
  };
}

/** Makes principals: keeps the roles that exist and adds the device groups that the id is in. */
export function createIdentities(config: AuthJwtConfig, log: Log): (identity: Identity) => Principal {
  const known = new Set(Object.keys(config.roles));
  const groupsOf = createGroups(config);
  return ({ id, roles, groups: given = [], expires, credential, user, voucher, excess }) => {
    if (excess !== undefined) log.warn("Roles that the key may not give grant nothing", { id, roles: excess.map((role) => role.slice(0, 64)) });
    const unknown = roles.filter((role) => !known.has(role));
    if (unknown.length > 0) log.warn("Unknown roles grant nothing", { id, roles: unknown.map((role) => role.slice(0, 64)) });
    return Object.freeze({
      id,
      roles: Object.freeze([...new Set(roles.filter((role) => known.has(role)))]),
      groups: groupsOf(id, given),
      ...(given.length === 0 ? {} : { ownGroups: given }),
      ...(expires === undefined ? {} : { expires }),
      ...(credential === undefined ? {} : { credential }),
      ...(user ? { user } : {}),
      ...(voucher === undefined ? {} : { voucher }),
    });
  };
}
