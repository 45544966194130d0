import assert from "node:assert/strict";
import { test } from "node:test";
import { AddressLimit } from "./address-limit.ts";

test("take() counts by address up to the limit, free() makes room again", () => {
  const limit = new AddressLimit(2);
  assert.deepEqual([limit.take("10.0.0.1"), limit.take("10.0.0.1"), limit.take("10.0.0.1"), limit.take("10.0.0.2")], [true, true, false, true]);
  limit.free("10.0.0.1");
  assert.deepEqual([limit.take("10.0.0.1"), limit.take("10.0.0.1")], [true, false]);
});

test("free() forgets addresses that have no connection", () => {
  const limit = new AddressLimit(2);
  limit.take("10.0.0.1");
  limit.take("10.0.0.1");
  limit.free("10.0.0.1");
  assert.equal(limit.size, 1);
  limit.free("10.0.0.1");
  assert.equal(limit.size, 0);
});

test("take() takes 1,000 by default, and any number from this machine", () => {
  const limit = new AddressLimit(undefined);
  const taken = (address: string): number => Array.from({ length: 1500 }, () => limit.take(address)).filter((got) => got).length;
  assert.equal(taken("10.0.0.1"), 1000);
  for (const address of ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"]) assert.equal(taken(address), 1500);
  assert.equal(taken("::ffff:10.0.0.9"), 1000);
});

test("take() holds this machine to a limit that is given", () => {
  const limit = new AddressLimit(1);
  assert.deepEqual([limit.take("127.0.0.1"), limit.take("127.0.0.1")], [true, false]);
});
