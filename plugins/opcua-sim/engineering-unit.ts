/** A unit as OPC UA says it: the fields of EUInformation (OPC 10000-8 §5.6.4.3). */
export interface EngineeringUnit {
  readonly namespaceUri: string;
  /** The UNECE common code as a number, or -1 where the unit has none that is known here. */
  readonly unitId: number;
  /** As people write it. */
  readonly displayName: string;
  /** Its full name. */
  readonly description: string;
}

/** Common codes and names of UN/CEFACT Recommendation 20. */
const codes: Readonly<Record<string, readonly [code: string, name: string]>> = {
  "°C": ["CEL", "degree Celsius"],
  "°F": ["FAH", "degree Fahrenheit"],
  K: ["KEL", "kelvin"],
  bar: ["BAR", "bar"],
  mbar: ["MBR", "millibar"],
  Pa: ["PAL", "pascal"],
  hPa: ["A97", "hectopascal"],
  kPa: ["KPA", "kilopascal"],
  MPa: ["MPA", "megapascal"],
  "%": ["P1", "percent"],
  ppm: ["59", "part per million"],
  mm: ["MMT", "millimetre"],
  cm: ["CMT", "centimetre"],
  m: ["MTR", "metre"],
  "mm/s": ["C16", "millimetre per second"],
  "m/s": ["MTS", "metre per second"],
  g: ["GRM", "gram"],
  kg: ["KGM", "kilogram"],
  t: ["TNE", "tonne (metric ton)"],
  l: ["LTR", "litre"],
  "m³": ["MTQ", "cubic metre"],
  "l/min": ["L2", "litre per minute"],
  "m³/h": ["MQH", "cubic metre per hour"],
  N: ["NEW", "newton"],
  kN: ["B47", "kilonewton"],
  Nm: ["NU", "newton metre"],
  A: ["AMP", "ampere"],
  mA: ["4K", "milliampere"],
  V: ["VLT", "volt"],
  kV: ["KVT", "kilovolt"],
  W: ["WTT", "watt"],
  kW: ["KWT", "kilowatt"],
  MW: ["MAW", "megawatt"],
  Wh: ["WHR", "watt hour"],
  kWh: ["KWH", "kilowatt hour"],
  Hz: ["HTZ", "hertz"],
  kHz: ["KHZ", "kilohertz"],
  rpm: ["RPM", "revolutions per minute"],
  ms: ["C26", "millisecond"],
  s: ["SEC", "second [unit of time]"],
  min: ["MIN", "minute [unit of time]"],
  h: ["HUR", "hour"],
  lx: ["LUX", "lux"],
  dB: ["2N", "decibel"],
};

/** What OPC UA clients are told about a unit; undefined for no unit. */
export function engineeringUnit(unit: string): EngineeringUnit | undefined {
  if (unit === "") return undefined;
  const known = Object.hasOwn(codes, unit) ? codes[unit] : undefined;
  return { namespaceUri: "http://www.opcfoundation.org/UA/units/un/cefact", unitId: known ? unitIdOf(known[0]) : -1, displayName: unit, description: known?.[1] ?? unit };
}

/** The characters of a common code as the bytes of a number, the last one lowest (OPC 10000-8 §5.6.4.3). */
function unitIdOf(code: string): number {
  let id = 0;
  for (let i = 0; i < code.length; i++) id = id * 256 + code.charCodeAt(i);
  return id;
}
