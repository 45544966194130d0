import { rateNames, unitTable } from "./unit-table.ts";

/** A unit that is known. A value in it, times `factor` and plus `offset`, is the value in the SI unit of its quantity. */
export interface Unit {
  /** As the table writes it, such as "°C" or "m³/h". */
  readonly symbol: string;
  /** What it measures: a key of the table such as "temperature", "flow"; for a rate without a name of its own the two quantities, such as "energy/mass". */
  readonly quantity: string;
  readonly factor: number;
  readonly offset: number;
}

const exact = new Map<string, Unit>();
/** By lower case; undefined for what only its case tells apart, such as mW and MW. */
const folded = new Map<string, Unit | undefined>();

for (const [quantity, units] of Object.entries(unitTable)) {
  for (const [symbol, [factor, spellings, offset = 0]] of Object.entries(units)) {
    const unit: Unit = { symbol, quantity, factor, offset };
    for (const spelling of [symbol, ...spellings.split(" ")]) {
      if (spelling === "") continue;
      const key = normalize(spelling);
      exact.set(key, unit);
      const fold = key.toLowerCase();
      folded.set(fold, !folded.has(fold) || folded.get(fold) === unit ? unit : undefined);
    }
  }
}

const rates = new Map<string, Unit>();
const rateLimit = 1000;

/**
 * Finds a unit by any of its spellings: "°C", "degC", "m3/h", "m³/h", "N.m". Where no unit is written just so, upper and lower case are taken for the same as long as that leaves
 * one unit only ("KWH", "Bar"). Two units with a stroke between them are a rate ("kWh/t"). Undefined for what is not known.
 */
export function findUnit(text: string): Unit | undefined {
  if (text.length > 64) return undefined;
  const key = normalize(text);
  return exact.get(key) ?? folded.get(key.toLowerCase()) ?? rates.get(key) ?? findRate(key);
}

/** The names of the quantities that `findUnit` gives, rates without a name of their own apart. */
export const quantities: readonly string[] = [...new Set([...Object.keys(unitTable), ...Object.values(rateNames)])].sort();

/** The units of a quantity, as the table writes them. */
export function unitSymbols(quantity: string): readonly string[] {
  return Object.keys(unitTable[quantity] ?? {});
}

/** Every spelling of every unit of the table. */
export function unitSpellings(): Iterable<string> {
  return exact.keys();
}

function findRate(key: string): Unit | undefined {
  const [above, below, ...more] = key.split("/");
  if (above === undefined || below === undefined || more.length > 0) return undefined;
  const [one, other] = [above, below].map((part) => exact.get(part) ?? folded.get(part.toLowerCase()));
  if (!one || !other || one.offset !== 0 || other.offset !== 0) return undefined;
  const name = `${one.quantity}/${other.quantity}`;
  const unit: Unit = { symbol: `${one.symbol}/${other.symbol}`, quantity: rateNames[name] ?? name, factor: one.factor / other.factor, offset: 0 };
  if (rates.size < rateLimit) rates.set(key, unit);
  return unit;
}

/** Makes one text of what is written in many ways: composed and full-width characters, small figures (m³), the signs of multiplication and power, blanks, `m3.h-1`. */
function normalize(text: string): string {
  return text
    .replaceAll("º", "°")
    .normalize("NFKC")
    .replaceAll("μ", "µ")
    .replace(/(?<=\w)[\s.·⋅*]+([A-Za-z]+)\^?[-−]1$/, "/$1")
    .replace(/\s+per\s+/i, "/")
    .replace(/[\s^*·⋅]|(?<=[A-Za-z])\.(?=[A-Za-z])/g, "");
}
