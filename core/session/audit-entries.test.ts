import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { openSessions, settle, type SessionsUnderTest } from "./limits-fixture.ts";

const status = (payload: unknown, more: object = {}): object => ({ type: "status", payload, ...more });
const who = { transport: "memory", remote: "here" };

/** What the audit log is told, from now on. */
async function listen({ gateway }: SessionsUnderTest): Promise<unknown[]> {
  await settle();
  const entries: unknown[] = [];
  gateway.bus.subscribe("audit/gateway", ({ payload }) => void entries.push(payload));
  return entries;
}

describe("the audit log", () => {
  it("has who logs in and from where, what is refused to him, and which command came over which connection", async () => {
    await using subject = await openSessions();
    const entries = await listen(subject);
    const peer = subject.connect();
    peer.send(status(1, { from: "d-2", msgid: "x" }));
    peer.send({ type: "command", to: "d-3", msgid: "c-1", qos: 1, payload: { on: true } });
    peer.send({ type: "command", to: "d-3", msgid: "c-2", qos: 0, payload: { on: false } });
    await settle();
    assert.deepEqual(entries, [
      { action: "login", id: "d-1", ...who },
      { action: "refused", ...who, id: "d-1", code: "FORBIDDEN", reason: 'Cannot publish as "d-2": the session is "d-1"', msgid: "x" },
      { action: "command", msgid: "c-2", from: "d-1", to: "d-3", topic: "command/d-3", ...who },
      { action: "command", msgid: "c-1", from: "d-1", to: "d-3", topic: "command/d-3", ...who },
    ]);
    assert.doesNotMatch(JSON.stringify(entries), /"on"/);
  });

  it("has the end of a session whose credentials do not stand any more, and of one that sends too much or does not read", async () => {
    await using subject = await openSessions();
    const expired = subject.connect();
    const hasty = subject.connect({ principal: { id: "d-2", roles: [], groups: [] }, limits: { rate: 2 } });
    const lazy = subject.connect({ principal: { id: "d-3", roles: [], groups: [] }, limits: { buffer: 10 } });
    const entries = await listen(subject);
    for (let n = 0; n < 100; n++) hasty.send(status(n));
    lazy.buffered = 1000;
    lazy.send({ type: "ping" });
    subject.rights.stands = ({ id }) => id !== "d-1";
    subject.rights.change();
    await settle();
    assert.deepEqual(expired.closed, [4403]);
    assert.deepEqual(entries, [
      { action: "limit", ...who, id: "d-2", code: "rate limit" },
      { action: "limit", ...who, id: "d-3", code: "slow-consumer" },
      { action: "session-ended", ...who, id: "d-1", code: "authFailed", reason: "it has expired, was revoked, or could not be renewed" },
    ]);
  });

  it("has a login that never comes", async () => {
    await using subject = await openSessions();
    const entries = await listen(subject);
    const stranger = subject.connect({ principal: undefined as never, limits: { authTimeout: 1000 } });
    await subject.clock.advance(1500);
    assert.deepEqual(stranger.closed, [4401]);
    await settle();
    assert.deepEqual(entries, [{ action: "login-failed", ...who, code: "authTimeout" }]);
  });
});
