import { AuditPort, AuthorityPort, definePlugin } from "@busbar/core";
import { configSchema } from "./config-schema.ts";
import { createAuthority } from "./create-authority.ts";

/** The plugin `auth-jwt`: provides the Authority. */
export const authJwt = definePlugin({
  name: "auth-jwt",
  description: "Who a peer is and what it may do: JWT, device secrets, client certificates, roles and groups",
  config: configSchema,
  needs: { audit: AuditPort },
  provides: { authority: AuthorityPort },
  async setup(ctx) {
    const authority = await createAuthority(ctx.config, { clock: ctx.clock, log: ctx.log, metrics: ctx.metrics, audit: ctx.needs.audit, path: ctx.path });
    ctx.defer(() => authority.close());
    return { authority };
  },
});
