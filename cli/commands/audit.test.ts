import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { runBusbar, startBusbar } from "../testing/busbar.ts";

const config = `plugins:
  auth-jwt: { keyFile: data/signing.key, roles: { admin: { publish: ["#"], subscribe: ["#"] } } }
  audit-file: {}
  http: { port: 0, console: false }
`;
let cwd = "";

/* One gateway that starts, stops, and is started again with another config and told to reload. */
before(async () => {
  cwd = mkdtempSync(join(tmpdir(), "busbar-audit-"));
  writeFileSync(join(cwd, "busbar.yaml"), config);
  const gateway = startBusbar(["start"], { cwd });
  await gateway.said(/ready after/);
  writeFileSync(join(cwd, "busbar.yaml"), config.replace("admin: {", "reader: { subscribe: [status/hunter2] }, admin: {"));
  gateway.signal("SIGHUP");
  await gateway.said(/^reloaded/m);
  gateway.signal("SIGTERM");
  assert.equal((await gateway.ended).code, 0);
});
after(() => rmSync(cwd, { recursive: true, force: true }));

const audit = (...args: string[]) => runBusbar(["audit", ...args], { cwd });
const file = (): string => join(cwd, "data/audit", readdirSync(join(cwd, "data/audit"))[0]!);

test("busbar audit verify says that nothing was changed, in words and as JSON", async () => {
  const { code, stdout } = await audit("verify");
  assert.equal(code, 0, stdout);
  assert.match(stdout, /^nothing was changed: entries 1 to \d, \S+ to \S+, \d in 1 file, HMAC-SHA-256\nhead \d:[\w-]{43}\n$/);
  const json = JSON.parse((await audit("verify", "--json")).stdout) as { ok: boolean; findings: unknown[]; last: { seq: number } };
  assert.deepEqual([json.ok, json.findings], [true, []]);
});

test("busbar audit list and export show who changed what of the config, never values", async () => {
  const listed = await audit("list");
  assert.match(listed.stdout, /^1\s+\S+Z\s+audit-file\s+audit-file\s+key=\S+ version=1\n2\s+\S+\s+key-created\s+auth-jwt\s+file=data\/signing\.key\n3\s+\S+\s+started\s+gateway/);
  const exported = await audit("export", "--action", "config-changed", "--since", "1h");
  const [entry, ...more] = exported.stdout.trim().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.equal(more.length, 0);
  assert.deepEqual([entry!["action"], entry!["keys"], entry!["changed"]], ["config-changed", ["plugins.auth-jwt.roles.reader"], ["auth-jwt"]]);
  assert.doesNotMatch(exported.stdout, /hunter2/);
  assert.equal((await audit("export", "--until", "2020-01-01")).stdout, "");
  assert.equal((await audit("export", "--id", "nobody")).stdout, "");
});

test("busbar audit head prints what verify --head takes", async () => {
  const head = (await audit("head")).stdout.trim();
  assert.match(head, /^\d+:[\w-]{43}$/);
  assert.equal((await audit("verify", "--head", head)).code, 0);
  const other = await audit("verify", "--head", `99:${head.split(":")[1]}`);
  assert.equal(other.code, 65);
  assert.match(other.stdout, /truncated: the log ends with entry \d, but --head knows entry 99/);
});

test("busbar audit verify names file and line of what was changed, and ends with 65", async () => {
  const text = readFileSync(file(), "utf8");
  const lines = text.split(/(?<=\n)/);
  try {
    writeFileSync(file(), text.replace('"action":"started"', '"action":"stopped"'));
    const edited = await audit("verify");
    assert.deepEqual([edited.code, edited.stdout.split("\n")[0]], [65, "audit-000000000000001.jsonl:3: edited: entry 3 is not as it was written, or was written by somebody without the key"]);
    writeFileSync(file(), lines.toSpliced(1, 1).join(""));
    assert.match((await audit("verify")).stdout, /^audit-000000000000001\.jsonl:2: missing: entry 2 is missing\n/);
    writeFileSync(file(), lines.slice(0, -1).join(""));
    const cut = await audit("verify");
    assert.equal(cut.code, 65);
    assert.match(cut.stdout, /truncated: the log ends with entry \d, but the head file knows entry \d/);
  } finally {
    writeFileSync(file(), text);
  }
});

test("busbar audit verify checks a folder with a key that is named, and says what it cannot see", async () => {
  const folder = join(cwd, "data/audit");
  const whole = await audit("verify", folder, "--key", join(cwd, "data/audit.key"));
  assert.equal(whole.code, 0);
  assert.match(whole.stdout, /note: no head is given: whether the end was cut off cannot be seen/);
  assert.equal((await audit("verify", folder, "--key", join(cwd, "data/audit.key"), "--head-file", join(cwd, "data/audit.head"))).code, 0);
  const keyless = await audit("verify", folder);
  assert.equal(keyless.code, 65);
  assert.match(keyless.stdout, /foreign: entry 1 is made with the key \S+, which is not given/);
  assert.equal((await audit("verify", join(cwd, "nowhere"))).code, 74);
});

test("busbar audit rotate-key makes a key that the next start takes, and verify knows both", async () => {
  const { stdout } = await audit("rotate-key");
  assert.match(stdout, /^the key is now [\w-]{12};/);
  const gateway = startBusbar(["start"], { cwd });
  await gateway.said(/ready after/);
  gateway.signal("SIGTERM");
  await gateway.ended;
  assert.equal((await audit("verify")).code, 0);
  assert.match((await audit("export", "--action", "audit-key")).stdout, new RegExp(`"key":"${/now (\S+);/.exec(stdout)![1]}"`));
});

test("busbar audit says what is wrong with its command line", async () => {
  for (const [args, message] of [
    [["check"], /"check" must be verify, list, export, head or rotate-key/],
    [["verify", "--head", "5"], /--head "5" must be a number, a colon and 43 characters/],
    [["list", "--since", "yesterday"], /--since "yesterday" must be a time/],
    [["verify", "folder", "--config", "x"], /--config or a folder, not both/],
    [["verify", "--key", "x"], /--key and --head-file want a folder/],
  ] as const) {
    const { code, stderr } = await audit(...args);
    assert.equal(code, 64, args.join(" "));
    assert.match(stderr, message);
  }
});
