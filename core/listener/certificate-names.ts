/** One value in DER: its tag, and where its content lies. */
interface DerValue {
  readonly tag: number;
  readonly start: number;
  readonly end: number;
}

const commonName = "550403"; // 2.5.4.3
const subjectAltName = "551d11"; // 2.5.29.17
const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * The names in a certificate: the subject's CN, "" where it has none or several, and then the DNS names of its SAN (RFC 6125 §6.4). Read from the certificate itself, as the texts that
 * the runtimes make of a SAN are ambiguous: Deno writes the one name `x, DNS:admin` as if it were two. DNS names with anything in them that no host name has are left out.
 *
 * @throws {RangeError} when the bytes are no certificate in DER.
 */
export function certificateNames(certificate: Uint8Array): readonly [commonName: string, ...dnsNames: string[]] {
  const bytes = Buffer.from(certificate.buffer, certificate.byteOffset, certificate.byteLength);
  const [whole] = values(bytes, { start: 0, end: bytes.length });
  const [body] = values(bytes, need(whole));
  // RFC 5280 §4.1: [0] version, serial, algorithm, issuer, validity, subject, key, …, [3] extensions.
  const fields = values(bytes, need(body)).filter(({ tag }) => tag !== 0xa0);
  const extensions = fields.find(({ tag }) => tag === 0xa3);
  return [readCommonName(bytes, need(fields[4])), ...(extensions ? readDnsNames(bytes, extensions) : [])];
}

function readCommonName(bytes: Buffer, subject: DerValue): string {
  const found: string[] = [];
  for (const set of values(bytes, subject)) {
    for (const attribute of values(bytes, set)) {
      const [type, value] = values(bytes, attribute);
      if (content(bytes, need(type)).toString("hex") === commonName) found.push(readText(bytes, need(value)));
    }
  }
  return found.length === 1 ? found[0]! : "";
}

/** UTF8String, PrintableString and IA5String; others are no name. */
function readText(bytes: Buffer, value: DerValue): string {
  if (value.tag !== 0x0c && value.tag !== 0x13 && value.tag !== 0x16) return "";
  try {
    return utf8.decode(content(bytes, value));
  } catch {
    return "";
  }
}

function readDnsNames(bytes: Buffer, extensions: DerValue): readonly string[] {
  const [list] = values(bytes, extensions);
  for (const extension of values(bytes, need(list))) {
    const parts = values(bytes, extension);
    if (content(bytes, need(parts[0])).toString("hex") !== subjectAltName) continue;
    const [names] = values(bytes, need(parts.at(-1)));
    return values(bytes, need(names))
      .filter(({ tag }) => tag === 0x82) // dNSName [2] IA5String, RFC 5280 §4.2.1.6
      .map((value) => content(bytes, value).toString("latin1"))
      .filter((name) => /^[A-Za-z0-9_*.-]+$/.test(name));
  }
  return [];
}

/** The values that lie within, one after the other (X.690 §8.1, definite lengths only, as DER has it). */
function values(bytes: Buffer, { start, end }: Pick<DerValue, "start" | "end">): readonly DerValue[] {
  const found: DerValue[] = [];
  for (let at = start; at < end; ) {
    const tag = bytes.readUInt8(at);
    const first = bytes.readUInt8(at + 1);
    const more = first < 0x80 ? 0 : first & 0x7f;
    if (first === 0x80 || more > 4 || (tag & 0x1f) === 0x1f) throw new RangeError(`Cannot read a certificate: no DER at byte ${at}`);
    const from = at + 2 + more;
    const to = from + (more === 0 ? first : bytes.readUIntBE(at + 2, more));
    if (to > end) throw new RangeError(`Cannot read a certificate: the value at byte ${at} ends after what it lies in`);
    found.push({ tag, start: from, end: to });
    at = to;
  }
  return found;
}

const content = (bytes: Buffer, { start, end }: DerValue): Buffer => bytes.subarray(start, end);

function need(value: DerValue | undefined): DerValue {
  if (value === undefined) throw new RangeError("Cannot read a certificate: a part of it is missing");
  return value;
}
