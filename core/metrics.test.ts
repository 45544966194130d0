import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MetricsRegistry } from "./metrics.ts";

describe("MetricsRegistry", () => {
  it("format() is Prometheus text, a family at a time", () => {
    const metrics = new MetricsRegistry();
    metrics.counter("busbar_a_total", "What a is", { reason: "x" }).value += 2;
    metrics.gauge("busbar_b", "Line one\nback\\slash", () => 1.5);
    metrics.counter("busbar_a_total", "What a is", { reason: "y" }).value++;
    assert.equal(metrics.format(), '# HELP busbar_a_total What a is\n# TYPE busbar_a_total counter\nbusbar_a_total{reason="x"} 2\nbusbar_a_total{reason="y"} 1\n# HELP busbar_b Line one\\nback\\\\slash\n# TYPE busbar_b gauge\nbusbar_b 1.5\n');
  });

  it("counter() gives the same counter for the same name and labels, in whichever order they are", () => {
    const metrics = new MetricsRegistry();
    const first = metrics.counter("a_total", "a", { x: "1", y: "2" });
    assert.equal(metrics.counter("a_total", "a", { y: "2", x: "1" }), first);
    assert.notEqual(metrics.counter("a_total", "a", { x: "1" }), first);
    assert.notEqual(metrics.counter("b_total", "b", { x: "1", y: "2" }), first);
    assert.equal(metrics.format().match(/^a_total/gm)?.length, 2);
  });

  it("escapes label values", () => {
    const metrics = new MetricsRegistry();
    metrics.counter("a_total", "a", { x: 'q"\\\n' });
    assert.ok(metrics.format().includes('a_total{x="q\\"\\\\\\n"} 0'));
  });

  it("gauge() is read when somebody asks, and gone when it is removed, but not with the removal of one that it replaced", () => {
    const metrics = new MetricsRegistry();
    let value = 1;
    const first = metrics.gauge("a", "a", () => value);
    assert.match(metrics.format(), /^a 1$/m);
    value = 2;
    assert.match(metrics.format(), /^a 2$/m);
    const second = metrics.gauge("a", "a", () => 9);
    first();
    assert.match(metrics.format(), /^a 9$/m);
    second();
    second();
    assert.equal(metrics.format().trim(), "");
  });

  it("a name is either a counter or a gauge, and stays what it was", () => {
    const metrics = new MetricsRegistry();
    metrics.gauge("a", "a", () => 1);
    for (let time = 0; time < 2; time++) assert.throws(() => metrics.counter("a", "a"), TypeError);
    metrics.counter("b_total", "b");
    assert.throws(() => metrics.gauge("b_total", "b", () => 1), TypeError);
    assert.match(metrics.format(), /^b_total 0$/m);
  });

  it("a gauge that cannot be read costs the others nothing", () => {
    const metrics = new MetricsRegistry();
    metrics.gauge("broken", "broken", () => {
      throw new Error("no");
    });
    metrics.gauge("endless", "endless", () => -Infinity);
    metrics.gauge("fine", "fine", () => 1);
    assert.match(metrics.format(), /^broken NaN$/m);
    assert.match(metrics.format(), /^endless -Inf$/m);
    assert.match(metrics.format(), /^fine 1$/m);
  });
});
