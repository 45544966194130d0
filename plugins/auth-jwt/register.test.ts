import assert from "node:assert/strict";
import { appendFile, chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { openRegister, type RegisterRecord } from "./register.ts";

async function folder(t: TestContext): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), "busbar-register-"));
  t.after(() => rm(home, { recursive: true }));
  return home;
}

/** A register whose state is the last value of each key. */
async function opened(file: string) {
  const state = new Map<unknown, RegisterRecord>();
  const register = await openRegister(file, {
    apply: (record) => {
      if (!("key" in record)) throw new TypeError("no key");
      state.set(record["key"], record);
    },
    snapshot: () => [...state.values()],
  });
  return { register, state };
}

test("openRegister() makes no file before the first record, and then one that only its owner can read", async (t) => {
  const file = join(await folder(t), "below", "register.jsonl");
  const { register } = await opened(file);
  await assert.rejects(stat(file), { code: "ENOENT" });
  await register.append({ key: 1 });
  if (process.platform !== "win32") assert.equal((await stat(file)).mode & 0o777, 0o600);
  await register.close();
});

test("Register.append() keeps what it has said to keep, in order, across a restart", async (t) => {
  const file = join(await folder(t), "register.jsonl");
  const { register } = await opened(file);
  await Promise.all(Array.from({ length: 50 }, (_, at) => register.append({ key: at % 10, at })));
  const { state, register: again } = await opened(file);
  assert.deepEqual([...state.values()].map(({ at }) => at), [40, 41, 42, 43, 44, 45, 46, 47, 48, 49]);
  await Promise.all([register.close(), again.close()]);
});

test("openRegister() leaves out a torn last line, and the next record takes its place", async (t) => {
  const file = join(await folder(t), "register.jsonl");
  await writeFile(file, '{"key":1}\n{"key":2,"lo', { mode: 0o600 });
  const { register, state } = await opened(file);
  assert.deepEqual([...state.keys()], [1]);
  await register.append({ key: 3 });
  await register.close();
  assert.equal(await readFile(file, "utf8"), '{"key":1}\n{"key":3}\n');
});

test("openRegister() refuses a whole line that it does not understand: what was revoked must not come back unnoticed", async (t) => {
  const file = join(await folder(t), "register.jsonl");
  for (const line of ["hello", '{"other":1}', "null", ""]) {
    await writeFile(file, `{"key":1}\n${line}\n{"key":2}\n`, { mode: 0o600 });
    await assert.rejects(opened(file), { code: "DAMAGED", message: /line 2 is no record/ }, line);
  }
});

test("openRegister() refuses a file that others can read", { skip: process.platform === "win32" ? "Windows has no such modes" : false }, async (t) => {
  const file = join(await folder(t), "register.jsonl");
  await writeFile(file, '{"key":1}\n');
  await chmod(file, 0o644);
  await assert.rejects(opened(file), { code: "CONFIG", message: /others have access/ });
});

test("openRegister() writes a file anew of which most is out of date, and it says the same", async (t) => {
  const file = join(await folder(t), "register.jsonl");
  await writeFile(file, Array.from({ length: 3000 }, (_, at) => JSON.stringify({ key: at % 3, at }) + "\n").join(""), { mode: 0o600 });
  const { register, state } = await opened(file);
  assert.equal((await readFile(file, "utf8")).split("\n").length, 4);
  await register.append({ key: 9 });
  await register.close();
  const again = await opened(file);
  assert.deepEqual([...again.state.values()], [...state.values(), { key: 9 }]);
  if (process.platform !== "win32") assert.equal((await stat(file)).mode & 0o777, 0o600);
  await again.register.close();
});

test("Register.append() says when it cannot write, and goes on when it can again", async (t) => {
  const file = join(await folder(t), "register.jsonl");
  const { register } = await opened(file);
  await mkdir(file); // a folder in its place
  await assert.rejects(register.append({ key: 1 }), { code: "IO" });
  await rm(file, { recursive: true });
  await register.append({ key: 2 });
  await register.close();
  assert.equal(await readFile(file, "utf8"), '{"key":2}\n');
});

test("openRegister(false) keeps nothing and says so", async () => {
  const register = await openRegister(false, { apply: () => {}, snapshot: () => [] });
  await assert.rejects(register.append({ key: 1 }), { code: "UNAVAILABLE", message: /registerFile: false/ });
  await register.close();
});

test("a line that is added by hand counts from the next start on", async (t) => {
  const file = join(await folder(t), "register.jsonl");
  const { register } = await opened(file);
  await register.append({ key: 1 });
  await register.close();
  await appendFile(file, '{"key":2}\n');
  assert.deepEqual([...(await opened(file)).state.keys()], [1, 2]);
});
