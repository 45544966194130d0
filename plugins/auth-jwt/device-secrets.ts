import { createHash } from "node:crypto";
import type { Clock } from "@busbar/core";
import type { AuthJwtConfig } from "./config-schema.ts";
import type { EnrolmentBook } from "./enrolment-book.ts";
import { createFailureDelay, type FailureDelay } from "./failure-delay.ts";
import type { Identity } from "./identity.ts";
import { Refusal } from "./refusal.ts";
import { checkSecret, decoyHash, defaultCost, parseSecretHash, type SecretHash } from "./secret-hash.ts";
import { createWorkLine } from "./work-line.ts";

/** Two checks at once leave two of the four threads of Node's pool to files and names; 200 that wait take some 4 s, within the 5 s a session has for its login. */
const line = { concurrency: 2, waiting: 200 } as const;

const longestSecret = 1024;

/** Checks the secrets of devices. */
export interface DeviceSecrets {
  /**
   * Finds out whether `secret` is the one of the device `id`. A device that does not exist costs as much time as a wrong secret.
   * @throws {Refusal} "secret", "throttled" or "overload"; the signal's reason when it aborts while the check waits for its turn.
   */
  check(id: string, secret: string, options: { readonly remote: string; readonly signal?: AbortSignal | undefined }): Promise<Identity>;
  /** The guard against guessing, for answers from a cache. @throws {Refusal} "throttled". */
  admit(remote: string, id: string): void;
  /** Whether the secret that let somebody in is still the one of its device. */
  counts(voucher: string): boolean;
  /** What the config says now of whom that secret let in; undefined when it is none of the config's. */
  identity(voucher: string): Identity | undefined;
}

const nobodyEnrolled: Pick<EnrolmentBook, "secrets" | "size"> = { secrets: () => [], size: 0 };

/** Makes the checker for the config's devices, and for those that have enrolled. */
export function createDeviceSecrets(devices: AuthJwtConfig["devices"], clock: Clock, { book = nobodyEnrolled, delay = createFailureDelay(clock) }: { readonly book?: Pick<EnrolmentBook, "secrets" | "size">; readonly delay?: FailureDelay } = {}): DeviceSecrets {
  const known = new Map<string, { readonly hash: SecretHash; readonly identity: Identity }>();
  for (const [id, { secret, roles, groups }] of Object.entries(devices)) {
    const hash = parseSecretHash(secret);
    if (hash === undefined) throw new TypeError(`Cannot use the secret of device "${id}": it is not what hashSecret makes`);
    known.set(id, { hash, identity: { id, roles, groups, voucher: voucherOf(id, secret) } });
  }
  const vouchers = new Map([...known.values()].map(({ identity }) => [identity.voucher, identity]));
  const [first] = known.values();
  const decoy = decoyHash(first?.hash ?? defaultCost);
  const work = createWorkLine(line);
  return {
    admit: (remote, id) => delay.check(remote, id),
    counts: (voucher) => vouchers.has(voucher),
    identity: (voucher) => vouchers.get(voucher),
    async check(id, secret, { remote, signal }) {
      if (known.size === 0 && book.size === 0) throw new Refusal("malformed", "there is no JWT, and there are no devices with secrets");
      if (secret.length > longestSecret) throw new Refusal("secret", `a secret of ${secret.length} characters, ${longestSecret} are allowed`);
      delay.check(remote, id);
      const right = await work.run(async () => {
        delay.check(remote, id); // others may have failed while this one waited
        delay.began(remote, id);
        const own = known.get(id);
        const candidates = own === undefined ? book.secrets(id) : [own];
        if (candidates.length === 0) await checkSecret(decoy, secret);
        for (const one of candidates) if (await checkSecret(one.hash, secret)) return one;
        return undefined;
      }, signal);
      if (right === undefined) throw new Refusal("secret", "wrong secret, or no such device");
      delay.succeeded(remote, id);
      return right.identity;
    },
  };
}

/** Names a device's secret without giving its hash away. */
function voucherOf(id: string, secret: string): string {
  return `secret ${id} ${createHash("sha256").update(secret).digest("base64url").slice(0, 22)}`;
}
