import { authJwt, issueToken, type AuthJwtConfig } from "@busbar/auth-jwt";
import type { CheckedConfig, TokenRequest } from "@busbar/core";
import { Failure, usageFailure } from "./failure.ts";

/**
 * Signs a token with the key of a config's auth-jwt section. Relative key files lie below the working directory, as for `busbar start`.
 * @throws {Failure} 64 when the request asks for what cannot be, 78 when the config has no auth-jwt.
 */
export async function mintToken(config: CheckedConfig, request: TokenRequest): Promise<string> {
  const section = config.instances.find(({ plugin }) => plugin.name === authJwt.name); // the plugin itself may be another copy of it
  if (section === undefined) throw new Failure(78, [`busbar: cannot sign a token: ${config.file ?? "the config"} has no ${authJwt.name} section`]);
  try {
    return await issueToken(section.config as AuthJwtConfig, request);
  } catch (error) {
    if (error instanceof RangeError) throw usageFailure(error.message);
    throw error;
  }
}
