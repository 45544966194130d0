import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultPlant } from "./default-plant.ts";
import { engineeringUnit } from "./engineering-unit.ts";

test("engineeringUnit() gives the UNECE code as OPC UA numbers it", () => {
  // OPC 10000-8 §5.6.4.3: CEL is 4408652, P1 is 20529.
  assert.equal(engineeringUnit("°C")?.unitId, 4_408_652);
  assert.equal(engineeringUnit("%")?.unitId, 20_529);
  assert.deepEqual(engineeringUnit("bar"), { namespaceUri: "http://www.opcfoundation.org/UA/units/un/cefact", unitId: 4_342_098, displayName: "bar", description: "bar" });
});

test("engineeringUnit() says -1 for a unit it does not know and nothing for none", () => {
  assert.equal(engineeringUnit("furlong")?.unitId, -1);
  assert.equal(engineeringUnit("toString")?.unitId, -1);
  assert.equal(engineeringUnit(""), undefined);
});

test("engineeringUnit() knows every unit of the default plant", () => {
  for (const machine of defaultPlant.machines ?? []) for (const tag of machine.tags) if (tag.unit) assert.notEqual(engineeringUnit(tag.unit)?.unitId, -1, tag.unit);
});
