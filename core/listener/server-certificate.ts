import { createSecureContext, type Server as TlsServer, type TlsOptions } from "node:tls";
import { BusbarError, errorText } from "../errors.ts";
import type { Counter } from "../metrics.ts";
import type { PluginContext } from "../plugin.ts";
import type { AuditPort } from "../ports.ts";
import { daysLeft, ExpiryWarnings, type Expiring } from "./expiry-warnings.ts";
import { checkResumed } from "./resumed-sessions.ts";
import { endFailedHandshakes } from "./failed-handshakes.ts";
import type { TlsConfig } from "./tls-config.ts";
import { earliestExpiry, fingerprintFiles, isInOrder, readTlsFiles, type TlsFiles, type TlsPaths } from "./tls-files.ts";
import { tlsOptions } from "./tls-options.ts";

/** A state of the files that is younger than this, in ms, is read again at the next look. */
const settling = 2000;

/** What a certificate needs of the plugin whose listener it is for. */
export type CertificateContext = Pick<PluginContext<unknown, { readonly audit: typeof AuditPort }>, "clock" | "id" | "log" | "metrics" | "needs" | "onRefresh" | "path">;

/**
 * The certificate of a listener for as long as the plugin runs. New files take effect at the next handshake, connections that are open stay as they are; files that are wrong, half-written or
 * expired while the present ones are not change nothing, which is logged and counted. Files are looked at every `watchInterval` (by their state: watching a path that comes and goes ends the process on Deno),
 * and when the gateway reloads. Warns before the certificate, or an authority of client certificates, expires.
 */
export class ServerCertificate {
  readonly #ctx: CertificateContext;
  readonly #config: TlsConfig;
  readonly #paths: TlsPaths;
  readonly #demand: boolean;
  readonly #warnings: ExpiryWarnings;
  readonly #rotations: Counter;
  readonly #refused: Counter;
  #servers: TlsServer[] = [];
  #files: TlsFiles;
  /** The state of the files that was read last, once it is old enough to be told from the next; "" before. */
  #seen = "";
  /** Why the files as they are now are not in use. */
  #fault: string | undefined;
  /** One look at a time. */
  #last: Promise<unknown> = Promise.resolve();
  #polling = false;

  /** @internal Use `openServerCertificate`. */
  constructor(ctx: CertificateContext, config: TlsConfig, start: { readonly paths: TlsPaths; readonly demand: boolean; readonly files: TlsFiles }) {
    this.#ctx = ctx;
    this.#config = config;
    this.#paths = start.paths;
    this.#demand = start.demand;
    this.#files = start.files;
    this.#warnings = new ExpiryWarnings(ctx.log);
    const labels = { instance: ctx.id };
    this.#rotations = ctx.metrics.counter("busbar_tls_rotations_total", "Times that new TLS files took effect without a restart", labels);
    this.#refused = ctx.metrics.counter("busbar_tls_rotations_refused_total", "New TLS files that could not be used; the earlier ones stay in use", labels);
    this.#watch();
  }

  /** The options for `node:tls` or `node:https`, with the files as they are in use. */
  get options(): TlsOptions {
    return tlsOptions(this.#config, this.#files, this.#demand);
  }

  /** Gives the server every new certificate from now on. It was made with `options`. */
  serve(server: TlsServer): void {
    this.#servers.push(server);
    endFailedHandshakes(server, this.#ctx);
    // Before whoever takes the connection.
    server.prependListener("secureConnection", (socket) => checkResumed(socket, { authorities: this.#files.authorities, demand: this.#demand || this.#config.requireClientCert }));
    server.once("close", () => (this.#servers = this.#servers.filter((one) => one !== server)));
  }

  /**
   * Looks at the files now. Gives what is new in a few words, or undefined.
   * @throws {BusbarError} CONFIG when they cannot be used: those in use stay.
   */
  refresh(): Promise<string | undefined> {
    return this.#inTurn(() => this.#look());
  }

  /** Looks only if something has changed. */
  async #poll(): Promise<void> {
    const { state } = await fingerprintFiles(this.#paths);
    if (state !== this.#seen || this.#fault !== undefined) await this.#look();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const look = this.#last.then(work);
    this.#last = look.catch(() => {});
    return look;
  }

  async #look(): Promise<string | undefined> {
    const { state, changed } = await fingerprintFiles(this.#paths);
    this.#seen = this.#ctx.clock.now() - changed > settling ? state : "";
    try {
      const files = await readTlsFiles(this.#paths);
      if ((await fingerprintFiles(this.#paths)).state !== state) throw new BusbarError("CONFIG", `Cannot use the certificate "${this.#paths.cert}": its files are being written`);
      const news = this.#take(files);
      this.#fault = undefined;
      return news;
    } catch (error) {
      const fault = errorText(error);
      if (fault !== this.#fault) {
        this.#refused.value++;
        this.#ctx.log.error("new TLS files cannot be used, the earlier ones stay in use", { error, expires: new Date(earliestExpiry(this.#files.chain)).toISOString() });
      }
      this.#fault = fault;
      throw error;
    }
  }

  #take(files: TlsFiles): string | undefined {
    const [old, next] = [this.#files, files];
    const pair = !old.cert.equals(next.cert) || !old.key.equals(next.key);
    const ca = old.ca !== undefined && next.ca !== undefined && !old.ca.equals(next.ca);
    if (!pair && !ca) return undefined; // touched, or put back to what is in use
    const now = this.#ctx.clock.now();
    const reason = untimely(next, now);
    if (reason !== undefined && untimely(old, now) === undefined) throw new BusbarError("CONFIG", `Cannot use the certificate "${this.#paths.cert}": ${reason}`);
    checkUsable(this.#config, { files, demand: this.#demand, paths: this.#paths });
    this.#files = files;
    for (const server of this.#servers) server.setSecureContext(this.options);
    this.#rotations.value++;
    warnAbout(this.#ctx, files, this.#paths);
    const [leaf] = files.chain;
    const what = pair ? "TLS certificate renewed" : "authorities of client certificates renewed";
    const fields = { subject: leaf.subject, expires: new Date(earliestExpiry(files.chain)).toISOString(), fingerprint: leaf.fingerprint256 };
    this.#ctx.log.info(what, fields);
    this.#ctx.needs.audit.write("certificate-changed", { what, ...fields });
    this.#warnings.look(now, this.#expiring());
    return `${what}, expires ${fields.expires}`;
  }

  #expiring(): readonly Expiring[] {
    const { chain, authorities } = this.#files;
    const own = { what: "TLS certificate", file: this.#paths.cert, expires: earliestExpiry(chain) };
    return authorities.length === 0 ? [own] : [own, { what: "authority of client certificates", file: this.#paths.ca!, expires: earliestExpiry(authorities) }];
  }

  #watch(): void {
    const { clock, id, metrics, onRefresh } = this.#ctx;
    this.#expiring().forEach(({ what }, at) => {
      const labels = { instance: id, ...(at === 0 ? {} : { of: "authority" }) };
      const expires = (): number => this.#expiring()[at]!.expires;
      metrics.gauge("busbar_tls_certificate_expires_seconds", `When the ${what}, or the first of its chain, expires, Unix time`, () => expires() / 1000, labels);
      metrics.gauge("busbar_tls_certificate_days_left", "Days until then", () => daysLeft(expires(), clock.now()), labels);
    });
    warnAbout(this.#ctx, this.#files, this.#paths);
    this.#warnings.look(clock.now(), this.#expiring());
    const done = (): void => void (this.#polling = false);
    clock.every(this.#config.watchInterval || 60_000, () => {
      this.#warnings.look(clock.now(), this.#expiring());
      if (this.#config.watchInterval === 0 || this.#polling) return;
      this.#polling = true;
      this.#inTurn(() => this.#poll()).then(done, done); // why it failed is in the log
    });
    onRefresh(() => this.refresh());
  }
}

/**
 * Loads a listener's certificate and looks after it for as long as the plugin runs. `demand`: the listener lets nobody in without a client certificate, whatever `tls` says.
 * @throws {BusbarError} CONFIG when a file cannot be read or used, or the key is not the certificate's.
 */
export async function openServerCertificate(ctx: CertificateContext, config: TlsConfig, { demand = false }: { readonly demand?: boolean } = {}): Promise<ServerCertificate> {
  const paths: TlsPaths = { cert: ctx.path(config.certFile), key: ctx.path(config.keyFile), ca: config.caFile === undefined ? undefined : ctx.path(config.caFile) };
  const files = await readTlsFiles(paths);
  checkUsable(config, { files, demand, paths });
  return new ServerCertificate(ctx, config, { paths, demand, files });
}

/** What OpenSSL finds wrong, such as a key that is too short, before clients do. @throws {BusbarError} CONFIG */
function checkUsable(config: TlsConfig, { files, demand, paths }: { readonly files: TlsFiles; readonly demand: boolean; readonly paths: TlsPaths }): void {
  try {
    createSecureContext(tlsOptions(config, files, demand));
  } catch (cause) {
    throw new BusbarError("CONFIG", `Cannot use the certificate "${paths.cert}": TLS refuses it`, { cause });
  }
}

/** Why a certificate is of no use at that time. */
function untimely({ chain }: TlsFiles, now: number): string | undefined {
  const begins = Date.parse(chain[0].validFrom);
  if (begins > now) return `it is not valid before ${new Date(begins).toISOString()}`;
  const expires = earliestExpiry(chain);
  return expires <= now ? `it has expired on ${new Date(expires).toISOString()}` : undefined;
}

function warnAbout({ clock, log }: CertificateContext, files: TlsFiles, { cert: file }: TlsPaths): void {
  const begins = Date.parse(files.chain[0].validFrom);
  if (begins > clock.now()) log.warn("TLS certificate is not valid yet: clients refuse it", { file, validFrom: new Date(begins).toISOString() });
  if (!isInOrder(files.chain)) log.warn("TLS certificate is not followed by those that lead to its authority, in order: clients may refuse it", { file });
}
