import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AuditQueue } from "./audit-queue.ts";

const entry = (time: number) => ({ time, action: "login", source: "gateway", fields: {} });

describe("AuditQueue", () => {
  it("gives entries in order", () => {
    const queue = new AuditQueue();
    for (const time of [1, 2, 3]) queue.push(entry(time), 10);
    assert.deepEqual([queue.take(2), queue.take(2), queue.take(2)].map((page) => page.map(({ time }) => time)), [[1, 2], [3], []]);
  });

  it("counts what it has no room for and says so in its place", () => {
    const queue = new AuditQueue();
    for (let time = 1; time <= 10_500; time++) queue.push(entry(time), 10);
    assert.equal(queue.waiting, 10_000);
    assert.equal(queue.take(4000).length, 4000);
    queue.push(entry(20_000), 10);
    const rest = queue.take(10_000);
    assert.deepEqual(rest.slice(-3), [entry(10_000), { time: 10_500, action: "lost", source: "gateway", fields: { count: 500, since: 10_001, until: 10_500 } }, entry(20_000)]);
    assert.equal(queue.waiting, 0);
  });

  it("says so also when nothing comes after it", () => {
    const queue = new AuditQueue();
    assert.equal(queue.push(entry(1), 8 * 1024 * 1024), true);
    assert.equal(queue.push(entry(2), 1), false);
    assert.deepEqual(queue.take(100), [entry(1)]);
    assert.deepEqual(queue.take(100).map(({ action, fields }) => [action, fields["count"]]), [["lost", 1]]);
    assert.equal(queue.push(entry(3), 8 * 1024 * 1024), true);
  });

  it("tells once when so many wait", () => {
    const queue = new AuditQueue();
    let told = 0;
    queue.whenWaiting(2, () => void told++);
    queue.push(entry(1), 10);
    assert.equal(told, 0);
    queue.push(entry(2), 10);
    queue.push(entry(3), 10);
    assert.equal(told, 1);
    queue.whenWaiting(3, () => void told++);
    assert.equal(told, 2);
    queue.whenWaiting(4, () => void told++)();
    queue.push(entry(4), 10);
    assert.equal(told, 2);
  });
});
