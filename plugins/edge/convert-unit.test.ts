import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createConversion, linear } from "./convert-unit.ts";
import { findUnit, quantities, unitSymbols } from "./unit.ts";

/** Value, unit, and the same in another unit, by published tables (NIST SP 811, appendix B.8, and definitions). */
const known: readonly (readonly [value: number, from: string, result: number, to: string])[] = [
  [25, "°C", 77, "°F"], [-40, "°C", -40, "°F"], [0, "K", -273.15, "°C"], [98.6, "°F", 37, "°C"], [0, "°C", 491.67, "°R"], [100, "°C", 373.15, "K"],
  [1013.25, "mbar", 1.01325, "bar"], [1, "bar", 14.503773773, "psi"], [1, "atm", 760, "Torr"], [100, "kPa", 1, "bar"], [1, "psi", 6.894757293, "kPa"], [1, "MPa", 10, "bar"],
  [30, "inHg", 1015.9166, "mbar"], [1, "barg", 14.503773773, "psig"],
  [1, "m³/h", 16.666666667, "l/min"], [1, "gpm", 3.785411784, "l/min"], [1, "cfm", 1.699010796, "m³/h"], [100, "l/s", 360, "m³/h"],
  [1, "kWh", 3.6, "MJ"], [1, "kWh", 3412.1416331, "BTU"], [1, "kcal", 4.1868, "kJ"], [1, "MWh", 1000, "kWh"], [1, "BTU/h", 0.29307107, "W"],
  [1, "hp", 0.745699872, "kW"], [1, "PS", 735.49875, "W"], [60, "kWh/h", 60, "kW"],
  [1, "in", 25.4, "mm"], [1, "mi", 1.609344, "km"], [6, "ft", 1.8288, "m"], [1, "lb", 453.59237, "g"], [2, "t", 2000, "kg"],
  [36, "km/h", 10, "m/s"], [60, "mph", 96.56064, "km/h"], [1, "kn", 1.852, "km/h"], [1, "gal", 3.785411784, "l"], [1, "bbl", 42, "gal"],
  [90, "min", 1.5, "h"], [1, "d", 86_400_000, "ms"], [180, "°", Math.PI, "rad"], [3000, "rpm", 50, "Hz"], [1, "rev/s", 360, "deg/s"], [50, "%", 0.5, "1"], [1, "%", 10_000, "ppm"],
  [1, "kg/l", 1000, "kg/m³"], [1, "mS/cm", 0.1, "S/m"], [1, "N·m", 0.737562149, "lbf·ft"], [1000, "W/m²", 0.1, "W/cm²"], [5, "kWh/t", 0.018, "MJ/kg"],
];

/** Spellings of one unit. */
const spellings: readonly (readonly [symbol: string, ...others: string[]])[] = [
  ["°C", "C", "degC", "deg C", "º C", "℃", "Cel", "CEL", "celsius", "DEGC"],
  ["m³/h", "m3/h", "m^3/h", "m**3/h", "m³ / h", "m3.h-1", "m³·h⁻¹", "㎥/h", "m3 per h", "M3/H"],
  ["µm", "μm", "um", "micron"],
  ["kWh", "KWH", "kwh", "Kwh"],
  ["N·m", "Nm", "N.m", "N m", "N*m"],
  ["l/min", "L/min", "l/MIN", "L.min-1"],
  ["bar", "Bar", "BAR"],
  ["psi", "PSI", "psia", "[psi]"],
];

test("createConversion() gives what the tables say, there and back", () => {
  for (const [value, from, result, to] of known) {
    const [one, other] = [findUnit(from), findUnit(to)];
    assert.ok(one && other, `${from}, ${to}`);
    const there = createConversion(one, other)!(value);
    assert.ok(Math.abs(there - result) <= 2e-8 * Math.max(1, Math.abs(result)), `${value} ${from} = ${there} ${to}, not ${result}`);
    const back = createConversion(other, one)!(there);
    assert.ok(Math.abs(back - value) <= 1e-12 * Math.max(300, Math.abs(value)), `${there} ${to} = ${back} ${from}, not ${value}`);
  }
});

test("createConversion() leaves no error in the last digit where decimals have none", () => {
  const convert = (value: number, from: string, to: string): number => createConversion(findUnit(from)!, findUnit(to)!)!(value);
  assert.deepEqual([convert(25, "°C", "°F"), convert(1013.25, "mbar", "bar"), convert(21.5, "°C", "°F"), convert(77, "°F", "°C"), convert(4.1, "g", "kg"), convert(3, "kWh", "Wh"), convert(32, "°F", "°C"), convert(1e-12, "m", "mm")], [77, 1.01325, 70.7, 25, 0.0041, 3000, 0, 1e-9]);
});

test("createConversion() refuses units that measure different things", () => {
  for (const [from, to] of [["°C", "bar"], ["bar", "barg"], ["kWh", "kW"], ["N·m", "J"], ["m³/h", "Nm³/h"], ["kvar", "kW"], ["kWh/t", "kWh/m³"]] as const) {
    assert.equal(createConversion(findUnit(from)!, findUnit(to)!), undefined, `${from}, ${to}`);
  }
});

test("findUnit() knows the spellings of a unit", () => {
  for (const [symbol, ...others] of spellings) for (const other of others) assert.equal(findUnit(other)?.symbol, findUnit(symbol)?.symbol, `${other} for ${symbol}`);
});

test("findUnit() tells apart what only its case does, and guesses nothing", () => {
  assert.deepEqual(["mW", "MW", "mHz", "MHz", "Mvar", "ms", "mS", "kn", "kN", "KN"].map((text) => findUnit(text)?.symbol), ["mW", "MW", "mHz", "MHz", "Mvar", "ms", "mS", "kn", "kN", undefined]);
  for (const text of ["", "/", "m/", "/s", "m/s/s", "°C/min/h", "furlong", "°C/m", "x".repeat(65), "constructor", "__proto__/s"]) assert.equal(findUnit(text), undefined, text);
});

test("findUnit() takes any text", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 70 }), (text) => (findUnit(text), true)), { numRuns: 500, endOnFailure: true });
});

test("each unit of the table is found by its symbol, in its quantity", () => {
  for (const quantity of quantities) for (const symbol of unitSymbols(quantity)) assert.deepEqual([findUnit(symbol)?.symbol, findUnit(symbol)?.quantity], [symbol, quantity], symbol);
  assert.ok(quantities.flatMap(unitSymbols).length > 150);
});

test("linear() is scale and offset", () => {
  fc.assert(
    fc.property(fc.double({ min: -1e6, max: 1e6, noNaN: true }), fc.double({ min: -1e3, max: 1e3, noNaN: true }).filter((scale) => Math.abs(scale) > 1e-6), fc.integer({ min: -1000, max: 1000 }), (value, scale, offset) => {
      assert.ok(Math.abs(linear(scale, offset)(value) - (value * scale + offset)) <= 1e-12 * Math.max(1, Math.abs(value * scale), Math.abs(offset)));
    }),
    { numRuns: 300, endOnFailure: true },
  );
});
