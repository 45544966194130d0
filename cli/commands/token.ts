import { authJwt, issueToken, type AuthJwtConfig } from "@busbar/auth-jwt";
import type { CheckedConfig } from "@busbar/core";
import { defineCommand } from "../command.ts";
import { findConfig, readConfig } from "../config-file.ts";
import { Failure, usageFailure } from "../failure.ts";
import { print } from "../terminal.ts";

/** What a token that is to be made for somebody says. */
interface Request {
  readonly id: string;
  readonly roles: readonly string[];
  /** Seconds. */
  readonly ttl: number;
  readonly user: boolean;
}

export default defineCommand({
  description: "Makes a token with the key of the config's auth-jwt section, without a running gateway, and prints it. The key file is made when there is none yet.",
  positionals: ["id"],
  options: {
    role: { kind: "text", value: "role", many: true, text: "a role it holds, as the config names it; may be given several times" },
    ttl: { kind: "duration", min: 1000, max: 315_360_000_000, fallback: "1d", text: "how long it is good for, 1s to 3650d" },
    user: { kind: "flag", text: "it is for a person or an app, which may have several connections at once and is sent no commands" },
    config: { kind: "text", value: "file", text: "the config (default busbar.yaml)" },
    json: { kind: "flag", text: 'print {"token","id","roles","user","expires"}, expires in ms since the Unix epoch' },
  },
  examples: [
    ["busbar token sensor-1 --role device --ttl 30d", "for a device"],
    ["busbar token anna --role admin --user --config examples/default/busbar.yaml", "for a person"],
  ],
  async run({ positionals, options }) {
    const [id = ""] = positionals;
    const { role: roles, user } = options;
    if (roles.length === 0) throw usageFailure("token: --role is missing: a token without a role may do nothing");
    const ttl = Math.round(options.ttl / 1000);
    const expires = (Math.floor(Date.now() / 1000) + ttl) * 1000;
    const token = await mintToken(await readConfig(await findConfig(options.config)), { id, roles, ttl, user });
    print(options.json ? JSON.stringify({ token, id, roles, user, expires }) : token);
    return 0;
  },
});

/**
 * Signs a token with the key of a config's auth-jwt section. Relative key files lie below the working directory, as for `busbar start`.
 * @throws {Failure} 64 when the request asks for what cannot be, 78 when the config has no auth-jwt.
 */
export async function mintToken(config: CheckedConfig, request: Request): Promise<string> {
  const section = config.instances.find(({ plugin }) => plugin.name === authJwt.name); // the plugin itself may be another copy of it
  if (section === undefined) throw new Failure(78, [`busbar: cannot sign a token: ${config.file ?? "the config"} has no ${authJwt.name} section`]);
  try {
    return await issueToken(section.config as AuthJwtConfig, request);
  } catch (error) {
    if (error instanceof RangeError) throw usageFailure(error.message);
    throw error;
  }
}
