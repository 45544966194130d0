import { writeFile } from "node:fs/promises";
import { createSealingKey, publicKeyOf } from "@busbar/client/sealing";
import { defineCommand } from "../command.ts";
import { Failure, usageFailure } from "../failure.ts";
import { readSealingKey } from "../sealing-keys.ts";
import { print } from "../terminal.ts";

/** `busbar keys`: keys for sealed payloads. */
export default defineCommand({
  description: "Makes a key pair for sealed payloads: `new` writes the private key, a JWK, to a file that must not exist yet, mode 0600, and prints the public key; `public` prints the public key of a private one. Whoever has the public key can seal, only the private one opens.",
  positionals: ["new|public", "file"],
  options: {
    curve: { kind: "choice", of: ["X25519", "P-256"], text: "of a new key", fallback: "X25519" },
    kid: { kind: "text", value: "name", text: "the name of a new key (default: its thumbprint, RFC 7638)" },
  },
  examples: [
    ["busbar keys new reader.jwk > reader.pub.jwk", "a reader's keys: the private one stays with it, the public one goes to the devices"],
    ["busbar send status '{\"pulse\":61}' --from sensor-1 --seal reader.pub.jwk", "seal a payload"],
    ["busbar tap 'status/#' --open reader.jwk", "read it"],
  ],
  async run({ positionals, options }) {
    const [action = "", file = ""] = positionals;
    if (action === "public") print(JSON.stringify(publicKeyOf(await readSealingKey(file, "keys"))));
    else if (action === "new") {
      const key = await createSealingKey({ crv: options.curve, ...(options.kid === undefined ? {} : { kid: options.kid }) });
      await writeFile(file, `${JSON.stringify(key)}\n`, { mode: 0o600, flag: "wx" }).catch((error: NodeJS.ErrnoException) => {
        throw new Failure(74, [`busbar: keys: cannot write "${file}": ${error.code === "EEXIST" ? "it is there already" : (error.code ?? error.message)}`]);
      });
      print(JSON.stringify(publicKeyOf(key)));
    } else throw usageFailure(`keys: "${action}" is neither new nor public`);
    return 0;
  },
});
