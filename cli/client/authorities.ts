import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import process from "node:process";
import { Failure } from "../failure.ts";
import { oneLine } from "../terminal.ts";

/** The option of every command that connects to a gateway by TLS. */
export const authorityOption = { ca: { kind: "text", value: "file", text: "the site's own authorities, PEM, that may have signed the gateway's certificate; BUSBAR_CA in the environment does the same (default: those that the runtime knows)" } } as const;

/**
 * The authorities of `--ca`, or of BUSBAR_CA, as PEM: with them no others are believed. Undefined where neither is given.
 * @throws {Failure} 66 when the file cannot be read or holds no certificate.
 */
export async function readAuthorities(named: string | undefined): Promise<string | undefined> {
  const file = named ?? (process.env["BUSBAR_CA"] || undefined);
  if (file === undefined) return undefined;
  let pem: string;
  try {
    pem = await readFile(file, "utf8");
  } catch (error) {
    throw new Failure(66, [`busbar: cannot read the authorities in "${oneLine(file)}": ${oneLine(String((error as NodeJS.ErrnoException).code ?? "failed"))}`]);
  }
  try {
    new X509Certificate(pem); // TLS itself would take no notice of a file without one, and then believe nobody
  } catch {
    throw new Failure(66, [`busbar: cannot use the authorities in "${oneLine(file)}": it is no PEM file of certificates`]);
  }
  return pem;
}
