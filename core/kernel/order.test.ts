import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as v from "valibot";
import { definePort, optional } from "../ports.ts";
import { definePlugin } from "../plugin.ts";
import { neededPorts, orderInstances, providedPorts } from "./order.ts";

const ports = Object.fromEntries(["a", "b", "c"].map((name) => [name, definePort<object>(name)]));

/** An instance that needs and provides ports by name; "x?" is a need that may stay unmet. */
function instance(id: string, needs: readonly string[], provides: readonly string[] = []) {
  const plugin = definePlugin({
    name: id, description: id, config: v.strictObject({}),
    needs: Object.fromEntries(needs.map((name) => [name, name.endsWith("?") ? optional(ports[name.slice(0, -1)]!) : ports[name]!])),
    provides: Object.fromEntries(provides.map((name) => [name, ports[name]!])),
    setup: () => Object.fromEntries(provides.map((name) => [name, {}])),
  });
  return { id, plugin, required: true, config: {}, source: {} };
}

const order = (...instances: ReturnType<typeof instance>[]): string[] => orderInstances(instances).map(({ id }) => id);

describe("orderInstances()", () => {
  it("keeps the order of the config where nothing speaks against it", () => assert.deepEqual(order(instance("x", []), instance("y", ["c"]), instance("z", [])), ["x", "y", "z"]));

  it("puts who provides before who needs, also where the need is optional", () => {
    assert.deepEqual(order(instance("x", ["a"]), instance("y", ["b?"], ["a"]), instance("z", [], ["b"])), ["z", "y", "x"]);
    assert.deepEqual(order(instance("w", ["a", "b"]), instance("x", ["a"]), instance("y", [], ["a", "b"])), ["y", "w", "x"]);
  });

  it("names the circle in which plugins need each other", () => {
    assert.throws(() => order(instance("x", ["a"], ["b"]), instance("y", ["b"], ["a"])), { code: "CONFIG", message: "Cannot order the plugins: x needs y needs x" });
    assert.throws(() => order(instance("x", ["a"], ["a"])), { code: "CONFIG" });
    assert.throws(() => order(instance("v", ["a"]), instance("x", ["c?"], ["a"]), instance("y", ["a"], ["b"]), instance("z", ["b"], ["c"])), { code: "CONFIG" });
  });
});

describe("neededPorts() and providedPorts()", () => {
  it("name the ports of a plugin", () => {
    const { plugin } = instance("x", ["a", "b?"], ["c"]);
    assert.deepEqual([[...neededPorts(plugin)], providedPorts(plugin)], [[["a", true], ["b", false]], ["c"]]);
  });
});
