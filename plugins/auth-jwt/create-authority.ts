import { createHash } from "node:crypto";
import { resolve } from "node:path";
import { isId, speaksFor, type Audit, type Authority, type Clock, type Credentials, type Log, type Metrics, type Principal } from "@busbar/core";
import { BoundedMap } from "./bounded-map.ts";
import { createCertificates } from "./certificates.ts";
import { isPrincipalId } from "./config-fields.ts";
import type { AuthJwtConfig } from "./config-schema.ts";
import { createDeviceSecrets } from "./device-secrets.ts";
import { EnrolmentBook } from "./enrolment-book.ts";
import { openEnrolmentDesk } from "./enrolment-desk.ts";
import { createFailureDelay } from "./failure-delay.ts";
import { asConfigSays, createGroups, createIdentities, type Identity } from "./identity.ts";
import { checkRequest, signToken } from "./issue-token.ts";
import { openKeyRing } from "./key-ring.ts";
import { loadMessageKeys } from "./message-keys.ts";
import { Refusal } from "./refusal.ts";
import { openRegister, type RegisterRecord } from "./register.ts";
import { RevocationList } from "./revocation-list.ts";
import { openRevocations } from "./revocations.ts";
import { withoutRevokedRoles } from "./role-revocation.ts";
import { createRights } from "./rights.ts";
import { hasTokenForm, verifyToken } from "./verify-token.ts";

/** What an authority works with. */
export interface AuthorityOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Where changes of keys and revocations are noted. */
  readonly audit?: Audit;
  /** Makes a file name of the config absolute. Default: from the working directory. */
  readonly path?: (file: string) => string;
}

/** An authority that holds timers while it watches a revocations file or key sets. */
export type JwtAuthority = Authority &
  Required<Pick<Authority, "explain" | "refresh" | "revoke" | "revocations" | "enrol" | "enrolments" | "redeem" | "renew">> & {
    /** Stops watching; resolves when what was changed is on the disk. Answers stay possible. */
    close(): Promise<void>;
  };

type TokenCredentials = Extract<Credentials, { readonly kind: "token" }>;

/**
 * Makes the authority of a checked config: loads and checks all keys, makes the key file when there is none, and reads the revocations.
 * @throws {BusbarError} CONFIG for a key that is too weak, does not fit its algorithm or is open to others; IO for a file that cannot be read or made.
 */
export async function createAuthority(config: AuthJwtConfig, options: AuthorityOptions): Promise<JwtAuthority> {
  const { clock, log, metrics, audit } = options;
  const path = options.path ?? ((file: string) => resolve(file));
  const listeners = new Set<() => void>();
  const changed = (): void => callAll(listeners, log);
  const list = new RevocationList();
  const book = new EnrolmentBook();
  const apply = (record: RegisterRecord): void => {
    if (!list.apply(record) && !book.apply(record)) throw new TypeError("Cannot read a record of the register: it is of no kind that is known");
  };
  const register = await openRegister(config.registerFile === false ? false : path(config.registerFile), { apply, snapshot: () => [...list.snapshot(), ...book.snapshot(clock.now())] });
  const keep = async (record: RegisterRecord): Promise<void> => {
    await register.append(record);
    apply(record);
  };
  const revocations = await openRevocations(config, { clock, log, path, changed });
  const ring = await openKeyRing(config, { clock, log, metrics, path, changed, audit }).catch((error: unknown) => {
    revocations.close();
    throw error;
  });

  const rights = createRights(config.roles);
  const groupsOf = createGroups(config);
  const messageKeys = await loadMessageKeys(config.messageKeys, { path, revoked: (id) => revocations.has({ id, roles: [], groups: [] }) });
  const principalOf = createIdentities(config, log);
  const byCertificate = createCertificates(config, book);
  const delay = createFailureDelay(clock, config.guessing);
  const secrets = createDeviceSecrets(config.devices, clock, { book, delay });
  const cache = new BoundedMap<Principal>(config.cacheSize);
  const hits = metrics.counter("busbar_auth_cache_hits_total", "Logins answered without checking the credentials anew");
  const counts = (voucher: string | undefined): boolean => voucher === undefined || ring.counts(voucher) || secrets.counts(voucher) || byCertificate.counts(voucher) || book.counts(voucher);
  const revoked = (principal: Principal): boolean => revocations.has(principal) || list.has(principal);
  const stands = (principal: Principal): boolean => (principal.expires === undefined || clock.now() < principal.expires) && !revoked(principal) && counts(principal.voucher);

  const identify = async (shown: TokenCredentials, remote: string, signal?: AbortSignal): Promise<Identity> => {
    if (hasTokenForm(shown.token)) return narrow(await verifyToken(shown.token, { keys: ring.keys, sets: ring.sets, clock, tolerance: config.clockTolerance }), shown.id);
    if (shown.id === undefined) throw new Refusal("malformed", "there is no JWT, and no id that a device's secret could belong to");
    return secrets.check(shown.id, shown.token, { remote, signal });
  };

  /** One check per credentials; what was right is remembered by its hash until it expires, its key or secret is gone, or it is pushed out. */
  const byToken = async (shown: TokenCredentials, remote: string, signal?: AbortSignal): Promise<Principal> => {
    if (shown.id !== undefined && !isPrincipalId(shown.id)) throw new Refusal("id", "the claimed id is not one that somebody may have");
    // A right guess must not be found out faster through the cache than through the check.
    if (shown.id !== undefined && !hasTokenForm(shown.token)) secrets.admit(remote, shown.id);
    const key = createHash("sha256").update(JSON.stringify([shown.id ?? null, shown.token])).digest("base64");
    const known = cache.get(key);
    if (known !== undefined) {
      if ((known.expires === undefined || clock.now() < known.expires) && counts(known.voucher)) {
        hits.value++;
        return known;
      }
      cache.delete(key);
    }
    const principal = principalOf(await identify(shown, remote, signal));
    cache.set(key, principal);
    return principal;
  };

  /** A renewed secret that is used for the first time ends the one before. */
  const settle = (voucher: string, id: string): void => {
    if (book.device(id)?.former === undefined || !voucher.startsWith("enrolled-secret ") || book.isFormer(voucher, id)) return;
    keep({ settled: { id } }).then(changed, (error: unknown) => log.error("A former secret still counts", { id, error }));
  };

  const authenticate: Authority["authenticate"] = async (credentials, { remote, transport, signal }) => {
    try {
      const principal = credentials.kind === "certificate" ? principalOf(byCertificate.find(credentials)) : await byToken(credentials, remote, signal);
      if (principal.expires !== undefined && principal.expires <= clock.now()) throw new Refusal("expired", `the credentials of "${principal.id}" have expired`); // a resumed TLS session shows what was valid once
      if (revoked(principal)) throw new Refusal("revoked", `the credentials of "${principal.id}" are revoked`);
      metrics.counter("busbar_auth_logins_total", "Logins that succeeded", { kind: credentials.kind }).value++;
      if (principal.voucher !== undefined) settle(principal.voucher, principal.id);
      log.debug("Logged in", { remote, id: principal.id, kind: credentials.kind });
      return rights.placed(principal, { remote, transport });
    } catch (error) {
      if (error instanceof Refusal) {
        metrics.counter("busbar_auth_failures_total", "Logins that were refused", { reason: error.reason }).value++;
        log.warn("Refused a login", { remote, id: claimOf(credentials), reason: error.reason, state: error.message });
        await delay.refused(remote, error.reason, signal);
      }
      throw error;
    }
  };
  const desk = await openEnrolmentDesk(config, { book, delay, clock, log, metrics, audit, path, keep, changed, authenticate, revoked: (id) => revoked({ id, roles: [], groups: [] }) }).catch((error: unknown) => {
    revocations.close();
    ring.close();
    throw error;
  });

  return {
    authenticate,
    ...desk,
    ...withoutRevokedRoles(rights, list),
    refresh(principal, origin) {
      const { voucher } = principal;
      const seen = asConfigSays(principal, { rule: voucher === undefined ? undefined : (secrets.identity(voucher) ?? byCertificate.rule(voucher)), groupsOf });
      return seen.via === undefined ? rights.placed(seen, origin) : seen;
    },
    stands,
    messageKeys,
    async issue(request) {
      checkRequest(config, request);
      const revokedRole = request.roles.find((role) => list.includes("role", role));
      if (revokedRole !== undefined) throw new RangeError(`Cannot issue a token: the role "${revokedRole}" is revoked`);
      return signToken(ring.own, request, clock.now());
    },
    async revoke(change) {
      const record = list.record(change, { now: clock.now(), roles: config.roles });
      if (record === undefined) return false;
      await keep(record);
      log.warn(change.undo ? "A revocation was undone" : "Revoked", { kind: change.kind, name: change.name, by: change.by });
      audit?.write(change.undo ? "restored" : "revoked", { kind: change.kind, name: change.name, by: change.by });
      metrics.counter("busbar_auth_revocations_total", "Revocations made and undone while the gateway ran", { kind: change.kind, undo: String(change.undo ?? false) }).value++;
      changed();
      return true;
    },
    revocations: () => list.list(),
    onChange(listener) {
      const entry = (): void => listener(); // so that one listener may be there twice
      listeners.add(entry);
      return () => listeners.delete(entry);
    },
    async close() {
      revocations.close();
      ring.close();
      await register.close();
    },
  };
}

/** A token for `home-7` that is shown as `home-7/lamp` gives the narrower identity; any other claim is refused. */
function narrow(identity: Identity, claimed: string | undefined): Identity {
  if (claimed === undefined || claimed === identity.id) return identity;
  if (!speaksFor(identity.id, claimed)) throw new Refusal("id", `the token is for "${identity.id}", which does not speak for the claimed id`);
  return { ...identity, id: claimed, holder: identity.id };
}

/** Who the peer says it is, for the log: never a token. */
function claimOf(credentials: Credentials): string | undefined {
  if (credentials.kind === "certificate") return credentials.names[0]?.slice(0, 256);
  return credentials.id === undefined || isId(credentials.id) ? credentials.id : "no id"; // some put their secret where their id belongs
}

function callAll(listeners: Iterable<() => void>, log: Log): void {
  for (const listener of [...listeners]) {
    try {
      listener();
    } catch (error) {
      log.error("A listener for changed rights failed", { error });
    }
  }
}
