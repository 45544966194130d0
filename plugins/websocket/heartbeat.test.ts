import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeClock, openAuthority } from "@busbar/core/testkit";
import { openListener } from "./testing/listener.ts";
import { rawFrame } from "./testing/raw-client.ts";

const open = async () => {
  const clock = fakeClock();
  return { clock, listener: await openListener({ ping: "30s", idleTimeout: "90s" }, { clock }) };
};

test("websocket sends a ping every `ping` and closes with 4001 who gives no sign of life for `idleTimeout`", async () => {
  const { clock, listener } = await open();
  await using gone = listener;
  const silent = await gone.raw("d-1");
  await clock.advance(29_000);
  assert.equal(silent.frames.length, 0);
  for (let count = 1; count <= 2; count++) {
    await clock.advance(30_000);
    assert.equal((await silent.frames.next()).opcode, 9);
  }
  assert.equal(gone.gateway.metric("busbar_sessions"), 1, "89 s are not 90 s");
  await clock.advance(3000);
  assert.equal(gone.gateway.metric("busbar_sessions"), 0);
  assert.equal(await silent.closeCode(), 4001);
});

for (const [sign, frame] of [["a pong", rawFrame(10, "x")], ["a ping", rawFrame(9)], ["a message", rawFrame(1, '{"type":"status","payload":1}')]] as const) {
  test(`websocket keeps who sends ${sign} now and then`, async () => {
    const { clock, listener } = await open();
    await using gone = listener;
    const alive = await gone.raw("d-1");
    for (let turn = 0; turn < 8; turn++) {
      await clock.advance(30_000);
      await alive.frames.next(({ opcode }) => opcode === 9);
      alive.write(frame);
    }
    assert.equal(gone.gateway.metric("busbar_sessions"), 1);
  });
}

test("websocket does not take bytes of an unfinished frame for a sign of life", async () => {
  const { clock, listener } = await open();
  await using gone = listener;
  const slow = await gone.raw("d-1");
  slow.write(rawFrame(1, "", { length: 1000 }));
  for (let turn = 0; turn < 3; turn++) {
    await clock.advance(30_000);
    slow.write(new Uint8Array([0x20]));
    await slow.frames.next(({ opcode }) => opcode === 9);
  }
  await clock.advance(2000);
  assert.equal(await slow.closeCode(), 4001);
});

test("websocket does not end a peer that it has not read for long, because the authority takes its time", async () => {
  const clock = fakeClock();
  const authority = openAuthority();
  let admit = (): void => {};
  const asked = new Promise<void>((resolve) => (admit = resolve));
  const slow = { ...authority, authenticate: async (...args: Parameters<typeof authority.authenticate>) => (await asked, authority.authenticate(...args)) };
  await using listener = await openListener({ ping: "30s", idleTimeout: "90s", authTimeout: "10m" }, { clock, authority: slow });
  const client = await listener.connect(undefined, ["busbar.v1.json"], { headers: { authorization: "Bearer d-1" } });
  await clock.advance(300_000);
  admit();
  await client.settled();
});
