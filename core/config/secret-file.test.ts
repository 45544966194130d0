import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { openSecretFile, readKeyText, readSecretFile } from "./secret-file.ts";

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "busbar-secret-"));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

const isWindows = process.platform === "win32";

test("openSecretFile() makes the folder and the secret, mode 0600, and finds it again", async (t) => {
  const home = await folder(t);
  const file = join(home, "deep", "down", "signing.key");
  const first = await openSecretFile(file);
  assert.equal(first.created, true);
  assert.ok(first.secret.length >= 32);
  assert.match(await readFile(file, "utf8"), /^[\w-]{43}\n$/);
  if (!isWindows) assert.equal((await stat(file)).mode & 0o777, 0o600);
  const second = await openSecretFile(file);
  assert.equal(second.created, false);
  assert.deepEqual(second.secret, first.secret);
  assert.deepEqual(await readdir(join(home, "deep", "down")), ["signing.key"]);
});

test("openSecretFile() gives all who make it at once the same secret", async (t) => {
  const home = await folder(t);
  const opened = await Promise.all(Array.from({ length: 8 }, () => openSecretFile(join(home, "signing.key"))));
  assert.equal(new Set(opened.map(({ secret }) => Buffer.from(secret).toString())).size, 1);
  assert.equal(opened.filter(({ created }) => created).length, 1);
  assert.deepEqual(await readdir(home), ["signing.key"]);
});

test("openSecretFile() makes another secret for another file", async (t) => {
  const home = await folder(t);
  const [one, other] = await Promise.all([openSecretFile(join(home, "one")), openSecretFile(join(home, "other"))]);
  assert.notDeepEqual(one.secret, other.secret);
});

test("openSecretFile() throws IO when the folder cannot be made, and leaves nothing behind", async (t) => {
  const home = await folder(t);
  await writeFile(join(home, "file"), "");
  await assert.rejects(openSecretFile(join(home, "file", "signing.key")), { code: "IO" });
  assert.deepEqual(await readdir(home), ["file"]);
});

test("readSecretFile() refuses a file to which others have access", { skip: isWindows ? "Windows has no such modes" : false }, async (t) => {
  const file = join(await folder(t), "signing.key");
  await writeFile(file, "x".repeat(40));
  for (const mode of [0o644, 0o640, 0o604, 0o660, 0o602]) {
    await chmod(file, mode);
    await assert.rejects(readSecretFile(file), { code: "CONFIG", message: new RegExp(`mode 0${mode.toString(8)}; chmod 600`) });
  }
  for (const mode of [0o600, 0o400]) {
    await chmod(file, mode);
    assert.equal((await readSecretFile(file)).length, 40);
  }
});

test("readSecretFile() leaves one line end at the end out, and nothing else", async (t) => {
  const file = join(await folder(t), "secret");
  for (const [content, expected] of [["abc\n", "abc"], ["abc\r\n", "abc"], ["abc", "abc"], ["abc \n", "abc "], ["\nabc\n\n", "\nabc\n"], ["", ""]] as const) {
    await writeFile(file, content, { mode: 0o600 });
    assert.equal(Buffer.from(await readSecretFile(file)).toString(), expected);
  }
});

test("readSecretFile() and readKeyText() refuse what is no file, too long or not there", async (t) => {
  const home = await folder(t);
  await mkdir(join(home, "folder"), { mode: 0o700 });
  await writeFile(join(home, "long"), "x".repeat(65_537), { mode: 0o600 });
  for (const read of [readSecretFile, readKeyText]) {
    await assert.rejects(read(join(home, "folder")), { code: /^(?:CONFIG|IO)$/ });
    await assert.rejects(read(join(home, "long")), { code: "CONFIG", message: /65537 bytes, 65536/ });
    await assert.rejects(read(join(home, "missing")), { code: "IO", message: /ENOENT/ });
  }
});
