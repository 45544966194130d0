import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { formatFloat32, shortestFloat32 } from "./float-text.ts";

describe("shortestFloat32()", () => {
  for (const text of ["0", "23.5", "21.3", "-0.1", "101.325", "1234.5677", "0.001", "1e-7", "3.4028235e+38", "1e-45", "16777216", "1e+30"]) {
    it(`gives ${text} for the float nearest to it`, () => {
      assert.equal(String(shortestFloat32(Math.fround(Number(text)))), text);
    });
  }

  it("leaves whole numbers, NaN and infinities as they are", () => {
    for (const value of [2 ** 30, -(2 ** 31), Number.NaN, Number.POSITIVE_INFINITY]) assert.equal(shortestFloat32(value), value);
  });

  it("gives a number that reads back as the same float, with at most nine digits where it is no whole number", () => {
    fc.assert(fc.property(fc.float({ noNaN: true }), (value) => {
      const short = shortestFloat32(value);
      assert.equal(Math.fround(short) || 0, value || 0);
      if (!Number.isInteger(value)) assert.ok(String(Math.abs(short)).replace(/e.*/, "").replace(".", "").replace(/^0+/, "").length <= 9, String(short));
    }), { numRuns: 5000, seed: 1 });
  });
});

describe("formatFloat32()", () => {
  it("gives the same text whether it remembers the value or not", () => {
    const values = Array.from({ length: 20_000 }, (_, at) => Math.fround((at - 10_000) * 0.1));
    for (let round = 0; round < 2; round++) for (const value of [0, -0, ...values]) assert.equal(formatFloat32(value), String(shortestFloat32(value)));
  });
});
