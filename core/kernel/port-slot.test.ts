import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PortSlot } from "./port-slot.ts";

interface Role {
  readonly url: string;
  add(name: string): () => void;
  greet(name: string): Promise<string>;
}

/** A provider that knows what is registered with it. */
function createProvider(url: string): Role & { readonly added: Set<string> } {
  const added = new Set<string>();
  return {
    url, added,
    add(name) {
      added.add(name);
      return () => added.delete(name);
    },
    greet: async (name) => `${url} greets ${name}`,
  };
}

const unavailable = { code: "UNAVAILABLE", message: 'Cannot use "role": the plugin that provides it is not running' };

describe("PortSlot", () => {
  it("proxy stands for whoever provides the role, and is no promise", async () => {
    const slot = new PortSlot("role");
    const role = slot.proxy as Role;
    assert.equal(slot.filled, false);
    assert.equal(await slot.proxy, slot.proxy);
    assert.throws(() => role.greet("x"), unavailable);
    assert.equal("url" in role, false);
    const { greet } = role;
    slot.fill(createProvider("a"));
    assert.deepEqual([slot.filled, role.url, "url" in role, await role.greet("x"), await greet("y")], [true, "a", true, "a greets x", "a greets y"]);
    slot.empty();
    assert.throws(() => role.greet("x"), unavailable);
    slot.fill(createProvider("b"));
    assert.deepEqual([role.url, await greet("y")], ["b", "b greets y"]);
  });

  it("registers again with the next provider what was registered and not undone", () => {
    const slot = new PortSlot("role");
    const role = slot.proxy as Role;
    const [a, b, c] = [createProvider("a"), createProvider("b"), createProvider("c")];
    slot.fill(a);
    const undo = [role.add("one"), role.add("two"), role.add("three")];
    undo[0]!();
    assert.deepEqual([...a.added], ["two", "three"]);
    slot.empty();
    assert.throws(() => role.add("four"), unavailable);
    undo[1]!();
    slot.fill(b);
    assert.deepEqual([[...a.added], [...b.added]], [["two", "three"], ["three"]]);
    undo[2]!();
    undo[2]!();
    assert.deepEqual([[...a.added], [...b.added]], [["two", "three"], []]);
    slot.fill(c);
    assert.deepEqual([...c.added], []);
  });
});
