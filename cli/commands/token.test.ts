import assert from "node:assert/strict";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import jwt, { type JwtPayload } from "jsonwebtoken";
import { openFolder, runBusbar, smallConfig } from "../testing/busbar.ts";

/** The key that the plugin's key file holds: its text without the line end. */
async function keyOf(folder: string): Promise<string> {
  return (await readFile(join(folder, "signing.key"), "utf8")).trimEnd();
}

test("busbar token signs with the config's key, which it makes at first with mode 0600", async () => {
  await using folder = await openFolder({ "busbar.yaml": smallConfig });
  const before = Math.floor(Date.now() / 1000);
  const { code, stdout } = await runBusbar(["token", "sensor-1", "--role", "device", "--role", "admin", "--ttl", "30d"], { cwd: folder.path });
  assert.equal(code, 0);
  const claims = jwt.verify(stdout.trim(), await keyOf(folder.path), { algorithms: ["HS256"], audience: "busbar" }) as JwtPayload;
  assert.deepEqual([claims.sub, claims["roles"], claims["user"]], ["sensor-1", ["device", "admin"], undefined]);
  assert.equal(claims.exp! - claims.iat!, 30 * 86_400);
  assert.ok(claims.iat! >= before);
  assert.equal((await stat(join(folder.path, "signing.key"))).mode & 0o777, 0o600);
});

test("busbar token --user --json says what it made", async () => {
  await using folder = await openFolder({ "site.yaml": smallConfig });
  const { stdout } = await runBusbar(["token", "anna", "--role", "admin", "--user", "--json", "--config", "site.yaml"], { cwd: folder.path });
  const made = JSON.parse(stdout) as { token: string; id: string; roles: string[]; user: boolean; expires: number };
  const claims = jwt.verify(made.token, await keyOf(folder.path), { algorithms: ["HS256"], audience: "busbar" }) as JwtPayload;
  assert.deepEqual([made.id, made.roles, made.user], ["anna", ["admin"], true]);
  assert.deepEqual([claims["user"], claims.exp! * 1000 - made.expires <= 1000], [true, true]);
});

for (const [words, config, code, line] of [
  [["sensor-1"], smallConfig, 64, /^busbar: token: --role is missing: /],
  [["sensor-1", "--role", "root"], smallConfig, 64, /^busbar: Cannot issue a token: there is no role "root"; there are admin, device$/],
  [["a b", "--role", "device"], smallConfig, 64, /^busbar: Cannot issue a token: "a b" is not an id/],
  [["sensor-1", "--role", "device"], "plugins: {}\n", 78, /^busbar: cannot sign a token: busbar\.yaml has no auth-jwt section$/],
  [["sensor-1", "--role", "device"], smallConfig.replace("signing.key", "false"), 77, /^busbar: Cannot issue a token: .*keyFile: false/],
] as const) {
  test(`busbar token ${words.join(" ")} is refused with ${code}: ${line.source}`, async () => {
    await using folder = await openFolder({ "busbar.yaml": config });
    const { code: ended, stdout, stderr } = await runBusbar(["token", ...words], { cwd: folder.path });
    assert.match(stderr.trimEnd(), line);
    assert.deepEqual([ended, stdout], [code, ""]);
  });
}
