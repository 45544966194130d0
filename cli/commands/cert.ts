import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createPublicKey } from "node:crypto";
import { createCertificateAuthority, createKey, isPrincipalId, readSigningRequest, signCertificate } from "@busbar/auth-jwt";
import { deviceName, keyPem, listCertificates, loadAuthority, passphraseVariable, readCertificate, readPassphrase, writeCertificate, type StoredCertificate } from "../cert/certificate-store.ts";
import { defineCommand } from "../command.ts";
import { Failure, usageFailure } from "../failure.ts";
import { formatTable, oneLine, paint, print } from "../terminal.ts";

const day = 86_400_000;
/** Browsers refuse server certificates of more than 398 days; the others are up to the site. */
const usualDays = { ca: 3650, server: 397, device: 365 } as const;

interface Wish {
  readonly folder: string;
  readonly force: boolean;
  readonly days: number | undefined;
  readonly hosts: readonly string[];
  readonly csr: string | undefined;
  readonly passphrase: string | undefined;
  readonly json: boolean;
}

/** `busbar cert`: certificates for a site that has no authority of its own. */
export default defineCommand({
  description:
    "Makes a certificate authority for a site that has none (ca), certificates for its servers (server) and devices (device <id>), lists them, and makes those that end soon anew for the same keys (renew, or renew server, or renew <id>). Prints what to paste into the config. Keys are on P-256, in files that only their owner can read; the authority's gets a passphrase with --passphrase-file or " +
    `${passphraseVariable} in the environment.`,
  positionals: ["ca|server|device|list|renew", "name?"],
  options: {
    dir: { kind: "text", value: "folder", fallback: "certs", text: "where the files are" },
    host: { kind: "text", value: "host", many: true, text: "server: a name or an address it is reached by, besides localhost, 127.0.0.1, ::1 and the name of this machine" },
    days: { kind: "number", value: "days", min: 1, max: 3650, whole: true, text: "how long it is good for (default ca 3650, server 397, device 365), never beyond the authority" },
    csr: { kind: "text", value: "file", text: "device: sign this PKCS#10 request instead of making a key" },
    "passphrase-file": { kind: "text", value: "file", text: "a file with the passphrase of the authority's key" },
    force: { kind: "flag", text: "replace files that are there" },
    json: { kind: "flag", text: "list: one line of JSON each; else print {\"files\"}" },
  },
  examples: [
    ["busbar cert ca", "once"],
    ["busbar cert server --host gateway.local --host 192.168.1.10", "for the listeners"],
    ["busbar cert device sensor-1", "for a device; busbar enrol lets it ask for one itself"],
  ],
  async run({ positionals, options }) {
    const [what = "", name] = positionals;
    const wish: Wish = { folder: options.dir, force: options.force, days: options.days, hosts: options.host, csr: options.csr, passphrase: await readPassphrase(options["passphrase-file"]), json: options.json };
    if (wish.hosts.length > 0 && what !== "server") throw usageFailure("cert: --host is for server");
    if (wish.csr !== undefined && what !== "device") throw usageFailure("cert: --csr is for device");
    if (name !== undefined && what === "list") throw usageFailure("cert: list takes no name");
    switch (what) {
      case "ca":
        return await makeAuthority(name ?? `Busbar authority of ${hostname()}`.slice(0, 64), wish);
      case "server":
        return await makeServer(name, wish);
      case "device":
        if (name === undefined || !isPrincipalId(name)) throw usageFailure(`cert: <name> must be the id of a device${name === undefined ? "" : `, not "${oneLine(name)}"`}`);
        return await makeDevice(name, wish);
      case "list":
        return await list(wish);
      case "renew":
        return await renew(name, wish);
      default:
        throw usageFailure(`cert: "${oneLine(what)}" must be ca, server, device, list or renew`);
    }
  },
});

async function makeAuthority(name: string, { folder, force, days = usualDays.ca, passphrase, json }: Wish): Promise<number> {
  const { certificate, key } = await sayRange(createCertificateAuthority({ name, days, now: Date.now() }));
  const files = await writeCertificate(folder, "ca", { certificate, key: keyPem(key, passphrase), force });
  const secret = passphrase === undefined ? "" : `, passphrase: "\${env:${passphraseVariable}}"`;
  report(files, json, ["plugins:", "  auth-jwt:", "    enrolment:", `      ca: { certFile: ${quoted(join(folder, "ca.crt"))}, keyFile: ${quoted(join(folder, "ca.key"))}${secret} }`]);
  return 0;
}

async function makeServer(given: string | undefined, { folder, force, days = usualDays.server, hosts, passphrase, json }: Wish): Promise<number> {
  const authority = await loadAuthority(folder, passphrase);
  const name = given ?? hosts[0] ?? "localhost";
  const { privateKey, publicKey } = await createKey();
  const all = [...new Set([...(given === undefined ? [] : [given]), ...hosts, "localhost", "127.0.0.1", "::1", ...ownName()])];
  const certificate = await sayRange(signCertificate(authority, { name, use: "server", hosts: all, publicKey, days, now: Date.now() }));
  const files = await writeCertificate(folder, "server", { certificate, key: keyPem(privateKey), force });
  const tls = `    tls: { certFile: ${quoted(join(folder, "server.crt"))}, keyFile: ${quoted(join(folder, "server.key"))}, caFile: ${quoted(join(folder, "ca.crt"))} } # caFile: client certificates`;
  report(files, json, ["plugins:", "  http:", tls, "  tcp-protobuf:", tls]);
  return 0;
}

async function makeDevice(id: string, { folder, force, days = usualDays.device, csr, passphrase, json }: Wish): Promise<number> {
  const authority = await loadAuthority(folder, passphrase);
  const own = csr === undefined ? await createKey() : undefined;
  const publicKey = own?.publicKey ?? (await sayRange(readSigningRequest(await readText(csr!), id)));
  const certificate = await sayRange(signCertificate(authority, { name: id, use: "client", publicKey, days, now: Date.now() }));
  const files = await writeCertificate(folder, deviceName(id), { certificate, ...(own ? { key: keyPem(own.privateKey) } : {}), force });
  report(files, json, ["plugins:", "  auth-jwt:", "    certificates:", `      ${quoted(id)}: { id: ${quoted(id)}, roles: [device] }`]);
  return 0;
}

async function list({ folder, json }: Wish): Promise<number> {
  const found = await listCertificates(folder);
  const rows = found.map(({ name, certificate }) => ({ name, subject: certificate.subject, until: Date.parse(certificate.validTo), fingerprint: certificate.fingerprint256 }));
  if (json) for (const row of rows) print(JSON.stringify(row));
  else print(rows.length === 0 ? `no certificates in ${folder}` : formatTable(rows.map(({ name, subject, until, fingerprint }) => [name, oneLine(subject), remaining(until), fingerprint])));
  return 0;
}

function remaining(until: number): string {
  const left = Math.floor((until - Date.now()) / day);
  return left < 0 ? "has expired" : `${new Date(until).toISOString().slice(0, 10)}, ${left} days`;
}

/** Those that end within 30 days, or the one that is named: the same names, the same key, a new life. */
async function renew(name: string | undefined, wish: Wish): Promise<number> {
  const { folder, passphrase, json } = wish;
  if (name === "ca") throw new Failure(78, ["busbar: an authority is not renewed: make a new one with busbar cert ca --force, and then all certificates"]);
  const authority = await loadAuthority(folder, passphrase);
  const chosen = name === undefined ? (await listCertificates(folder)).filter((one) => one.name !== "ca" && Date.parse(one.certificate.validTo) - Date.now() < 30 * day) : [await readCertificate(folder, name === "server" ? "server" : deviceName(name))];
  const files: string[] = [];
  for (const stored of chosen) files.push(...(await renewOne(authority, stored, wish)));
  if (json) print(JSON.stringify({ files }));
  else print(files.length === 0 ? "no certificate ends within 30 days" : files.map((file) => `renewed ${file}`).join("\n"));
  return 0;
}

async function renewOne(authority: Awaited<ReturnType<typeof loadAuthority>>, { name, certificate }: StoredCertificate, { folder, days }: Wish): Promise<readonly string[]> {
  const use = name.startsWith("devices/") ? "client" : "server";
  const cn = /(?:^|\n)CN=(.*)/.exec(certificate.subject)?.[1] ?? "";
  const hosts = (certificate.subjectAltName ?? "").split(", ").flatMap((entry) => /^(?:DNS|IP Address):(.+)$/.exec(entry)?.[1] ?? []);
  const publicKey = createPublicKey(certificate.toString());
  const renewed = await sayRange(signCertificate(authority, { name: cn, use, hosts, publicKey, days: days ?? usualDays[use === "client" ? "device" : "server"], now: Date.now() }));
  return await writeCertificate(folder, name, { certificate: renewed, force: true });
}

/** What this machine calls itself, where that can be a host name. */
function ownName(): readonly string[] {
  const name = hostname();
  return /^(?!-)[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*$/.test(name) ? [name] : [];
}

function report(files: readonly string[], json: boolean, yaml: readonly string[]): void {
  if (json) return print(JSON.stringify({ files }));
  print([...files.map((file) => `wrote ${file}`), "", paint("dim", "# into busbar.yaml:"), ...yaml].join("\n"));
}

/** A scalar of YAML that means this text, whatever is in it. */
function quoted(text: string): string {
  return /^[A-Za-z][\w./-]*$/.test(text) && !/^(?:true|false|null|yes|no|on|off)$/i.test(text) ? text : JSON.stringify(process.platform === "win32" ? text.replaceAll("\\", "/") : text);
}

async function readText(file: string): Promise<string> {
  return await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new Failure(74, [`busbar: cannot read ${file}: ${error.code ?? "failed"}`]);
  });
}

/** What cannot be asked for is a mistake in the command line. */
async function sayRange<T>(work: Promise<T>): Promise<T> {
  return await work.catch((error: unknown) => {
    throw error instanceof RangeError ? usageFailure(`cert: ${error.message}`) : error;
  });
}
