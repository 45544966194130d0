import { nearest, suggest } from "@busbar/core";
import * as v from "valibot";
import { findUnit, quantities, type Unit, unitSpellings, unitSymbols } from "./unit.ts";

/** Config schema of a unit, in any of its spellings. Its output is the text as it was written, which is what readings will carry. */
export function unitText() {
  return v.pipe(
    v.string(),
    v.check((text) => findUnit(text) !== undefined, ({ input }) => `is no known unit: ${JSON.stringify(input)}${meant(input)}`),
    v.description('A unit such as "°C", "kPa", "m³/h" or "kWh/t".'),
  );
}

/** Config schema of the units that quantities get, such as `{temperature: "°F", pressure: bar}`. */
export function unitsByQuantity() {
  return v.pipe(
    v.record(v.string(), unitText()),
    v.minEntries(1),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return;
      for (const [quantity, text] of Object.entries(dataset.value)) {
        const message = faultOf(quantity, findUnit(text));
        if (message !== undefined) addIssue({ message, path: [{ type: "object", origin: "value", input: dataset.value, key: quantity, value: text }] });
      }
    }),
    v.description('Quantities and the unit that each gets, such as {temperature: "°F", pressure: bar}.'),
  );
}

function meant(text: string): string {
  const near = nearest(text, unitSpellings());
  return near === undefined ? "" : `; did you mean ${JSON.stringify(near)}?`;
}

function faultOf(quantity: string, unit: Unit | undefined): string | undefined {
  if (unit === undefined || unit.quantity === quantity) return undefined;
  const known = quantities.includes(quantity) || quantity.split("/").every((part) => quantities.includes(part));
  if (!known) return `is for no known quantity: ${JSON.stringify(quantity)}; ${suggest(quantity, quantities)}`;
  const units = unitSymbols(quantity);
  return `is a unit of ${unit.quantity}, not of ${quantity}${units.length > 0 ? `; ${suggest(undefined, units)}` : ""}`;
}
