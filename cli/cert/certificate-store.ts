import { createPrivateKey, randomBytes, X509Certificate, type KeyObject } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import { checkCertificateAuthority, type CertifiedKey } from "@busbar/auth-jwt";
import { Failure } from "../failure.ts";

/** The environment variable with the passphrase of the authority's key. */
export const passphraseVariable = "BUSBAR_CA_PASSPHRASE";

/** A certificate in the folder. */
export interface StoredCertificate {
  /** Its path below the folder without the ending: `ca`, `server`, `devices/sensor-1`. */
  readonly name: string;
  readonly certificate: X509Certificate;
}

/** Where the certificate of a device lies. An id has neither `+` nor `=`, so two ids never share a file. */
export function deviceName(id: string): string {
  return `devices/${id.replaceAll("/", "+").replaceAll(":", "=")}`;
}

/** The passphrase of the authority's key: from a file, else from the environment, else none. @throws {Failure} 74 when the file cannot be read. */
export async function readPassphrase(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return process.env[passphraseVariable] || undefined;
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new Failure(74, [`busbar: cannot read the passphrase in ${file}: ${error.code ?? "failed"}`]);
  });
  return text.replace(/\r?\n$/, "");
}

/** The authority in the folder. @throws {Failure} 78 when there is none, or the passphrase is another; {BusbarError} CONFIG when it cannot sign. */
export async function loadAuthority(folder: string, passphrase: string | undefined): Promise<CertifiedKey> {
  const where = join(folder, "ca.key");
  const [certificate, pem] = await Promise.all(["ca.crt", "ca.key"].map((file) => readFile(join(folder, file), "utf8"))).catch((error: NodeJS.ErrnoException) => {
    throw new Failure(78, [error.code === "ENOENT" ? `busbar: there is no authority in ${folder}; make one with: busbar cert ca` : `busbar: cannot read ${where}: ${error.code ?? "failed"}`]);
  });
  const authority = { certificate: certificate!, key: openKey(pem!, { where, passphrase }) };
  checkCertificateAuthority(authority, { where: folder, now: Date.now() });
  return authority;
}

function openKey(pem: string, { where, passphrase }: { readonly where: string; readonly passphrase: string | undefined }): KeyObject {
  const encrypted = pem.includes("ENCRYPTED");
  if (encrypted && passphrase === undefined) throw new Failure(78, [`busbar: ${where} has a passphrase: give --passphrase-file, or ${passphraseVariable} in the environment`]);
  try {
    return createPrivateKey({ key: pem, format: "pem", ...(encrypted ? { passphrase: passphrase! } : {}) });
  } catch {
    throw new Failure(78, [`busbar: cannot use ${where}: it is no private key in PEM${encrypted ? ", or its passphrase is another" : ""}`]);
  }
}

/** A private key as PEM (PKCS#8), encrypted when there is a passphrase. */
export function keyPem(key: KeyObject, passphrase?: string | undefined): string {
  return key.export({ type: "pkcs8", format: "pem", ...(passphrase === undefined ? {} : { cipher: "aes-256-cbc", passphrase }) }).toString();
}

/**
 * Writes a certificate, and its key where there is one with mode 0600. Each is written aside and renamed, so that nobody ever reads half of it.
 * @throws {Failure} 74 when one is there already and `force` is not said, or it cannot be written.
 */
export async function writeCertificate(folder: string, name: string, content: { readonly certificate: string; readonly key?: string; readonly force: boolean }): Promise<readonly string[]> {
  const files: readonly (readonly [string, string, number])[] = [
    ...(content.key === undefined ? [] : [[join(folder, `${name}.key`), content.key, 0o600] as const]),
    [join(folder, `${name}.crt`), content.certificate, 0o644],
  ];
  for (const [file] of files) if (!content.force && (await exists(file))) throw new Failure(74, [`busbar: ${file} is there already; --force replaces it`]);
  for (const [file, text, mode] of files) await replace(file, text, mode);
  return files.map(([file]) => file);
}

async function exists(file: string): Promise<boolean> {
  return await stat(file).then(() => true, () => false);
}

async function replace(file: string, text: string, mode: number): Promise<void> {
  const aside = `${file}.${randomBytes(6).toString("hex")}`;
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const handle = await open(aside, "wx", mode);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(aside, file);
  } catch (error) {
    await rm(aside, { force: true }).catch(() => {}); // the folder may be missing: then there is nothing to remove
    throw new Failure(74, [`busbar: cannot write ${file}: ${(error as NodeJS.ErrnoException).code ?? "failed"}`]);
  }
}

/** Every certificate in the folder, the authority first. */
export async function listCertificates(folder: string): Promise<readonly StoredCertificate[]> {
  const names = async (below: string): Promise<string[]> => (await readdir(join(folder, below)).catch(() => [])).filter((name) => name.endsWith(".crt")).map((name) => below + name.slice(0, -4));
  const found = [...(await names("")).sort((one, other) => Number(other === "ca") - Number(one === "ca") || one.localeCompare(other)), ...(await names("devices/")).sort()];
  return await Promise.all(found.map((name) => readCertificate(folder, name)));
}

/** One of them. @throws {Failure} 78 when it is not there or is none. */
export async function readCertificate(folder: string, name: string): Promise<StoredCertificate> {
  const file = join(folder, `${name}.crt`);
  try {
    return { name, certificate: new X509Certificate(await readFile(file)) };
  } catch (error) {
    throw new Failure(78, [(error as NodeJS.ErrnoException).code === "ENOENT" ? `busbar: there is no ${file}` : `busbar: ${file} is no certificate in PEM`]);
  }
}
