import assert from "node:assert/strict";
import { mkdtemp, rename, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { createLog, systemClock, type Principal } from "@busbar/core";
import { fakeClock } from "@busbar/core/testkit";
import * as v from "valibot";
import { configSchema } from "./config-schema.ts";
import { openRevocations } from "./revocations.ts";

const who = (id: string, credential?: string): Principal => ({ id, roles: [], groups: [], credential });

/** What `promise` gives, or a failure when it gives nothing within 20 s. */
async function soon<T>(promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const cancel = systemClock.after(20_000, () => late.reject(new Error("nothing happened within 20 s")));
  return Promise.race([promise, late.promise]).finally(cancel);
}

/** Revocations over a real file, with a promise for the next change and for the next line of the log. */
async function watched(t: TestContext, content: string, written = new Date()) {
  const home = await mkdtemp(join(tmpdir(), "busbar-revoked-"));
  t.after(() => rm(home, { recursive: true }));
  const file = join(home, "revoked.txt");
  await writeFile(file, content);
  await utimes(file, written, written);
  const clock = fakeClock(written.getTime());
  let changed = Promise.withResolvers<void>();
  let logged = Promise.withResolvers<string>();
  let changes = 0;
  const log = createLog({ clock, write: ({ message, fields }) => logged.resolve(`${message} ${String(fields["error"])}`) });
  const revocations = await openRevocations(v.parse(configSchema, { revocationsFile: "revoked.txt" }), {
    clock,
    log,
    path: (name) => join(home, name),
    changed: () => {
      changes++;
      changed.resolve();
    },
  });
  t.after(() => revocations.close());
  return {
    home,
    file,
    clock,
    revocations,
    changes: () => changes,
    async nextChange() {
      await clock.advance(5000);
      await soon(changed.promise);
      changed = Promise.withResolvers();
    },
    async nextLine() {
      await clock.advance(5000);
      const line = await soon(logged.promise);
      logged = Promise.withResolvers();
      return line;
    },
  };
}

test("Revocations.has() knows credentials, ids and what lies below a revoked id", async () => {
  const clock = fakeClock();
  const log = createLog({ clock, write: () => {} });
  const revocations = await openRevocations(v.parse(configSchema, { revoked: ["home-7", "a/b", "token-1"] }), { clock, log, path: (file) => file, changed: () => {} });
  for (const revoked of [who("home-7"), who("home-7/lamp"), who("a/b/c/d"), who("x", "token-1")]) assert.equal(revocations.has(revoked), true, revoked.id);
  for (const fine of [who("home-70"), who("home"), who("a"), who("a/bc"), who("x", "token-2"), who("x/home-7")]) assert.equal(revocations.has(fine), false, fine.id);
  assert.equal(clock.timers, 0);
});

test("openRevocations() reads the file at the start and sees each change", async (t) => {
  const { file, home, revocations, nextChange } = await watched(t, "# lost in May\r\n\r\nhome-7\r\n token-1 \n");
  assert.equal(revocations.has(who("home-7")), true);
  assert.equal(revocations.has(who("x", "token-1")), true);
  assert.equal(revocations.has(who("# lost in May")), false);
  await writeFile(file, "home-8\n");
  await nextChange();
  assert.deepEqual([revocations.has(who("home-7")), revocations.has(who("home-8"))], [false, true]);
  await writeFile(join(home, "aside"), "home-9\n");
  await rename(join(home, "aside"), file);
  await nextChange();
  assert.deepEqual([revocations.has(who("home-8")), revocations.has(who("home-9"))], [false, true]);
});

test("openRevocations() sees a change of the same length within the same tick of the file's clock", async (t) => {
  const tick = new Date(Math.floor(Date.now() / 1000) * 1000);
  const { file, revocations, nextChange } = await watched(t, "home-1\n", tick);
  await writeFile(file, "home-2\n");
  await utimes(file, tick, tick);
  await nextChange();
  assert.equal(revocations.has(who("home-2")), true);
});

test("openRevocations() leaves what it knew in force when the file is gone, says so, and goes on", async (t) => {
  const { file, revocations, nextLine, nextChange, changes } = await watched(t, "home-7\n");
  await rm(file);
  assert.match(await nextLine(), /Revocations stay as they were .*ENOENT/);
  assert.equal(revocations.has(who("home-7")), true);
  assert.equal(changes(), 0);
  await writeFile(file, "home-7\nhome-8\n");
  await nextChange();
  assert.equal(revocations.has(who("home-8")), true);
});

test("openRevocations() leaves what it knew in force when the file is too long", async (t) => {
  const { file, revocations, nextLine } = await watched(t, "home-7\n");
  await writeFile(file, Array.from({ length: 100_001 }, (_, at) => `id-${at}`).join("\n"));
  assert.match(await nextLine(), /more than 100000 entries/);
  assert.equal(revocations.has(who("home-7")), true);
  assert.equal(revocations.has(who("id-1")), false);
});

test("openRevocations() throws IO when the file is not there at the start", async () => {
  const clock = fakeClock();
  const log = createLog({ clock, write: () => {} });
  const config = v.parse(configSchema, { revocationsFile: "missing.txt" });
  await assert.rejects(openRevocations(config, { clock, log, path: (file) => join(tmpdir(), "busbar-no-such-folder", file), changed: () => {} }), { code: "IO", message: /make an empty file/ });
  assert.equal(clock.timers, 0);
});

test("Revocations.close() leaves no timer behind", async (t) => {
  const { clock, revocations } = await watched(t, "");
  assert.equal(clock.timers, 1);
  revocations.close();
  assert.equal(clock.timers, 0);
});
