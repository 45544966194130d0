import { encodeIdentify } from "../pdu.ts";

/** The names of the objects (Modbus V1.1b3 §6.21, table of object ids). */
const objectNames = ["vendor", "product", "revision", "url", "productName", "model", "application"] as const;

/** What a device says of itself. */
export type Identification = Readonly<Partial<Record<(typeof objectNames)[number], string>>>;

/**
 * Asks a device who it is: function 43 / 14, first the regular objects, then, where it knows only those, the basic ones.
 * @throws {ModbusFault} where it does not say.
 */
export async function readIdentification(ask: (pdu: Uint8Array) => Promise<Uint8Array>): Promise<Identification> {
  try {
    return await readObjects(ask, 2);
  } catch {
    return await readObjects(ask, 1);
  }
}

async function readObjects(ask: (pdu: Uint8Array) => Promise<Uint8Array>, level: 1 | 2): Promise<Identification> {
  const found: Record<string, string> = {};
  for (let next = 0, answers = 0; answers < 8; answers++) {
    // 14, level, conformity, more follows, next object, number of objects, then id, length and bytes of each
    const data = await ask(encodeIdentify(level, next));
    let at = 6;
    for (let left = data[5] ?? 0; left > 0 && at + 2 <= data.length; left--) {
      const name = objectNames[data[at]!];
      const end = at + 2 + data[at + 1]!;
      const text = String.fromCharCode(...data.subarray(at + 2, end)).replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ").trim();
      if (name !== undefined && text !== "") found[name] = text;
      at = end;
    }
    if (data[3] !== 0xff || data[4]! <= next) break;
    next = data[4]!;
  }
  return found;
}
