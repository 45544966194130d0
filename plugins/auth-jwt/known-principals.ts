import type { Principal } from "@busbar/core";
import type { AuthJwtConfig } from "./config-schema.ts";
import { createGroups } from "./identity.ts";

/** How somebody may come, by the config. */
export interface KnownPrincipal extends Principal {
  /** Such as `devices.lamp-1` or `certificates["plc.example.org"]`: where the config says so. */
  readonly source: string;
}

/** What the config knows about an id: as whom it logs in with a secret or a certificate. What tokens say the config does not know. */
export function knownPrincipals(config: AuthJwtConfig, id: string): readonly KnownPrincipal[] {
  const groupsOf = createGroups(config);
  const known: KnownPrincipal[] = [];
  const device = Object.hasOwn(config.devices, id) ? config.devices[id] : undefined;
  if (device) known.push({ id, roles: device.roles, groups: groupsOf(id, device.groups), source: `devices[${JSON.stringify(id)}]` });
  for (const [name, entry] of Object.entries(config.certificates)) {
    if (entry.id === id) known.push({ id, roles: entry.roles, groups: groupsOf(id, entry.groups), source: `certificates[${JSON.stringify(name)}]` });
  }
  return known;
}

/** Somebody with those roles who comes with a token. */
export function tokenPrincipal(config: AuthJwtConfig, { id, roles }: { readonly id: string; readonly roles: readonly string[] }): Principal {
  return { id, roles, groups: createGroups(config)(id) };
}
