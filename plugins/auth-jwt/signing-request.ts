import { createPublicKey, type KeyObject } from "node:crypto";
import { loadX509 } from "./x509.ts";

/** Characters of a request at the most. */
const longest = 16_384;

/**
 * Reads a PKCS#10 request (RFC 2986) and checks that whoever made it has the private key. Nothing of it but the key is ever used: what it asks for besides (an authority's
 * certificate, other uses, further names) has no effect. A CN in it must be `id`.
 * @throws {RangeError} saying what is wrong.
 */
export async function readSigningRequest(pem: string, id: string): Promise<KeyObject> {
  const { Pkcs10CertificateRequest } = await loadX509();
  const unfit = (state: string): RangeError => new RangeError(`Cannot sign the request: ${state}`);
  if (pem.length > longest || !/^\s*-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----[A-Za-z0-9+/=\s]+-----END (?:NEW )?CERTIFICATE REQUEST-----\s*$/.test(pem)) throw unfit("it is no PKCS#10 request in PEM");
  let request: InstanceType<typeof Pkcs10CertificateRequest>;
  let key: KeyObject;
  try {
    request = new Pkcs10CertificateRequest(pem.replaceAll("NEW CERTIFICATE", "CERTIFICATE"));
    key = createPublicKey({ key: Buffer.from(request.publicKey.rawData), format: "der", type: "spki" });
  } catch {
    throw unfit("it is no PKCS#10 request in PEM");
  }
  const names = request.subjectName.getField("CN");
  if (names.length > 1 || (names.length === 1 && names[0] !== id)) throw unfit("its CN is not the id of the device");
  const weakness = weaknessOf(key);
  if (weakness !== undefined) throw unfit(weakness);
  if (!(await request.verify().catch(() => false))) throw unfit("its signature is not that of its key");
  return key;
}

function weaknessOf(key: KeyObject): string | undefined {
  const { modulusLength = 0, namedCurve, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case "rsa":
      if (modulusLength < 2048 || modulusLength > 4096) return `its RSA key has ${modulusLength} bits, 2048 to 4096 are allowed`;
      return publicExponent >= 65_537n ? undefined : "the exponent of its RSA key is too small";
    case "ec":
      return namedCurve === "prime256v1" || namedCurve === "secp384r1" ? undefined : `its key is on ${namedCurve}, P-256 or P-384 is needed`;
    default:
      return `its key is of type ${key.asymmetricKeyType}, RSA or EC is needed`;
  }
}
