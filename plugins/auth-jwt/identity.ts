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
  /** Whom the credentials are for, where a narrower id is claimed. */
  readonly holder?: string;
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

/** Makes principals: adds the device groups that the id is in, and logs the roles that the config does not know: they grant nothing until a reload brings them. */
export function createIdentities(config: AuthJwtConfig, log: Log): (identity: Identity) => Principal {
  const known = new Set(Object.keys(config.roles));
  const groupsOf = createGroups(config);
  return ({ id, roles, groups: given = [], expires, credential, user, voucher, excess, holder }) => {
    if (excess !== undefined) log.warn("Roles that the key may not give grant nothing", { id, roles: excess.map((role) => role.slice(0, 64)) });
    const unknown = roles.filter((role) => !known.has(role));
    if (unknown.length > 0) log.warn("Unknown roles grant nothing", { id, roles: unknown.map((role) => role.slice(0, 64)) });
    return Object.freeze({
      id,
      roles: Object.freeze([...new Set(roles)]),
      groups: groupsOf(id, given),
      ...(given.length === 0 ? {} : { ownGroups: given }),
      ...(expires === undefined ? {} : { expires }),
      ...(credential === undefined ? {} : { credential }),
      ...(user ? { user } : {}),
      ...(voucher === undefined ? {} : { voucher }),
      ...(holder === undefined ? {} : { holder: Object.freeze({ id: holder, groups: groupsOf(holder) }) }),
    });
  };
}

/** What a principal that was made by an earlier config looks like by this one. */
export interface ConfigNow {
  /** What the config says of its credentials; undefined for tokens, which say it themselves. */
  readonly rule: Pick<Identity, "roles" | "groups"> | undefined;
  /** As `createGroups` makes it. */
  readonly groupsOf: (id: string, given?: readonly string[]) => readonly string[];
}

/** The principal with the roles and groups of today; the same object when nothing has changed. */
export function asConfigSays(principal: Principal, { rule, groupsOf }: ConfigNow): Principal {
  const { id, holder } = principal;
  const roles = rule === undefined ? principal.roles : Object.freeze([...new Set(rule.roles)]);
  const given = rule === undefined ? (principal.ownGroups ?? []) : (rule.groups ?? []);
  const groups = groupsOf(id, given);
  const above = holder && Object.freeze({ id: holder.id, groups: groupsOf(holder.id) });
  const same = (one: readonly string[] = [], other: readonly string[] = []): boolean => one.join() === other.join();
  if (same(roles, principal.roles) && same(groups, principal.groups) && same(above?.groups, holder?.groups)) return principal;
  const { ownGroups: _before, ...rest } = principal;
  return Object.freeze({ ...rest, roles, groups, ...(given.length === 0 ? {} : { ownGroups: given }), ...(above && { holder: above }) });
}
