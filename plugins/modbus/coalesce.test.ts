import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { coalesce, type Span } from "./coalesce.ts";

const span = (address: number, cells = 1): Span => ({ address, cells });
const shapes = (blocks: readonly Span[]) => blocks.map(({ address, cells }) => [address, cells]);

for (const [what, spans, limits, expected] of [
  ["one value", [span(7, 2)], { most: 125, gap: 125 }, [[7, 2]]],
  ["neighbours, in any order", [span(2), span(0, 2), span(3, 4)], { most: 125, gap: 0 }, [[0, 7]]],
  ["the same cell twice", [span(5), span(5), span(5, 2)], { most: 125, gap: 0 }, [[5, 2]]],
  ["a gap that is allowed, and one that is not", [span(0), span(3), span(7)], { most: 125, gap: 2 }, [[0, 4], [7, 1]]],
  ["a value that would reach beyond the limit, whole in the next one", [span(0), span(123), span(124, 2)], { most: 125, gap: 125 }, [[0, 124], [124, 2]]],
  ["a value longer than the limit by itself", [span(0, 10), span(20)], { most: 4, gap: 125 }, [[0, 10], [20, 1]]],
  ["a short value behind a long one that does not fit", [span(0), span(5, 10), span(6)], { most: 8, gap: 8 }, [[0, 7], [5, 10]]],
  ["a barrier", [span(0), span(1), span(2)], { most: 125, gap: 0, barriers: [2] }, [[0, 2], [2, 1]]],
  ["values across a barrier", [span(0), span(1, 2), span(2)], { most: 125, gap: 0, barriers: [2] }, [[0, 3]]],
  ["nothing", [], { most: 125, gap: 0 }, []],
] as const) {
  test(`coalesce() reads ${what}`, () => assert.deepEqual(shapes(coalesce(spans, limits)), expected));
}

const limits = fc.record({ most: fc.integer({ min: 4, max: 12 }), gap: fc.integer({ min: 0, max: 6 }), barriers: fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 3 }) });

test("coalesce() brings each span once, within the limits, for any spans", () => {
  const spans = fc.array(fc.record({ address: fc.integer({ min: 0, max: 40 }), cells: fc.integer({ min: 1, max: 6 }) }), { maxLength: 20 });
  fc.assert(
    fc.property(spans, limits, (all, { most, gap, barriers }) => {
      const blocks = coalesce(all, { most, gap, barriers });
      assert.equal(blocks.flatMap((block) => block.spans).length, all.length);
      assert.deepEqual(new Set(blocks.flatMap((block) => block.spans)), new Set(all));
      for (const block of blocks) {
        for (const one of block.spans) assert.ok(one.address >= block.address && one.address + one.cells <= block.address + block.cells, "a span lies in its block");
        assert.ok(block.cells <= most || block.spans.some((one) => one.cells === block.cells), "a block is within the limit");
        assert.ok(block.spans.some((one) => one.address + one.cells === block.address + block.cells), "a block ends with a span");
      }
    }),
    { numRuns: 500 },
  );
});

test("coalesce() makes the least number of requests for spans that do not overlap, as trying every cut shows", () => {
  const gaps = fc.array(fc.record({ skip: fc.integer({ min: 0, max: 5 }), cells: fc.integer({ min: 1, max: 4 }) }), { minLength: 1, maxLength: 10 });
  fc.assert(
    fc.property(gaps, limits, (steps, { most, gap, barriers }) => {
      let at = 0;
      const spans = steps.map(({ skip, cells }) => {
        const one = span(at + skip, cells);
        at += skip + cells;
        return one;
      });
      const allowed = (group: readonly Span[]): boolean => {
        const first = group[0]!;
        const last = group.at(-1)!;
        const joined = group.every((one, n) => n === 0 || one.address - (group[n - 1]!.address + group[n - 1]!.cells) <= gap);
        return joined && last.address + last.cells - first.address <= most && !barriers.some((barrier) => first.address < barrier && last.address >= barrier);
      };
      let least = Number.POSITIVE_INFINITY;
      for (let cuts = 0; cuts < 2 ** (spans.length - 1); cuts++) {
        const groups: Span[][] = [[]];
        spans.forEach((one, n) => {
          if (n > 0 && (cuts >> (n - 1)) & 1) groups.push([]);
          groups.at(-1)!.push(one);
        });
        if (groups.every(allowed)) least = Math.min(least, groups.length);
      }
      assert.equal(coalesce(spans, { most, gap, barriers }).length, least);
    }),
    { numRuns: 200 },
  );
});
