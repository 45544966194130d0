import { defineCommand } from "../command.ts";
import { findConfig, readConfig } from "../config-file.ts";
import { usageFailure } from "../failure.ts";
import { mintToken } from "../mint-token.ts";
import { print } from "../terminal.ts";

/** `busbar token`: a token without a running gateway. */
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
