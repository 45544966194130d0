import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { commandFor, formatProblem, loadConfig, varintFraming } from "@busbar/core";
import { forgeToken, hmac } from "../../plugins/auth-jwt/forged-token.ts";
import { attackSuite } from "./target/attack-suite.ts";
import { sessionTransports, type AttackTarget } from "./target/attack-target.ts";
import { assertNoSession, upgradeWith } from "./target/show-token.ts";

const id = "device-1";
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const cli = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));

/** Every secret there is, in the shapes in which somebody may show one. */
function shown(target: AttackTarget): readonly string[] {
  const good = target.token(id);
  const expired = target.secrets.keepToken("an expired token", forgeToken({ alg: "HS256", kid: "shared" }, target.claims(id, { exp: 1 }), hmac(target.hs256)));
  return [target.hs256, target.listenerToken, target.deviceSecret, good, expired, `${good}x`, `${target.deviceSecret} `, `Bearer ${good}`];
}

/** Runs a command of the CLI in the gateway's folder, with its environment. */
function run(target: AttackTarget, args: readonly string[]): Promise<string> {
  const [program, ...first] = commandFor(cli);
  return new Promise((resolve) => {
    execFile(program, [...first, ...args], { cwd: target.folder, env: { ...process.env, NO_COLOR: "1", ATTACK_HS256: target.hs256, ATTACK_LISTENER_TOKEN: target.listenerToken } }, (_error, stdout, stderr) => resolve(stdout + stderr));
  });
}

attackSuite("secrets", (attack) => {
  attack("secrets shown where they are not believed, in auth frames, headers, queries, paths and bodies: neither the answer nor the log repeats them", async (target) => {
    const answers: string[] = [];
    for (const [at, secret] of shown(target).entries()) {
      await assertNoSession(target, secret, { as: `somebody-${at}`, transport: sessionTransports[at % 3]! }); // another id each time: after three failures one has to wait
      if (!secret.includes(" ")) await upgradeWith(target, `${secret}.`);
      const coded = encodeURIComponent(secret);
      for (const path of [`/api/devices?token=${coded}`, `/api/series?device=x&tag=x&secret=${coded}`, `/ws?access_token=${coded}`, `/metrics?key=${coded}`]) answers.push((await target.http({ path })).raw);
      for (const headers of [{ authorization: `Basic ${Buffer.from(`x:${secret}`).toString("base64")}` }, { authorization: `Digest ${secret}` }, { cookie: `session=${secret}` }, { "x-api-key": secret }, { "proxy-authorization": secret }]) answers.push((await target.http({ path: "/api/devices", headers: headers as Record<string, string> })).raw);
    }
    answers.push((await target.http({ path: "/api/console/session", body: { code: target.hs256 } })).raw); // once: each wrong code makes the next one wait longer
    assert.deepEqual(target.secrets.foundIn(answers.join("\n")), []);
  });

  attack("a listener token that is almost right: the log says that it is wrong, not what it was", async (target) => {
    for (const listener of ["iot", "users"]) {
      for (const token of [`${target.listenerToken}x`, target.listenerToken.slice(1), ` ${target.listenerToken}`]) {
        const socket = await target.raw(listener);
        socket.write(varintFraming.frame(utf8(token)));
        await socket.ended();
        assert.deepEqual(target.secrets.foundIn(socket.received), []);
      }
    }
  });

  attack("a token in a frame that is not valid: the error frame does not repeat it", async (target) => {
    const token = target.token(id);
    for (const frame of [`{"type":"auth","deviceId":7,"token":"${token}"}`, `{"type":"auth","token":"${token}","will":{"type":"!"}}`, `{"type":"auth","deviceId":"${id}","token":["${token}"]}`, `{"type":"status","token":"${token}","qos":7}`, `{"token":"${token}"`]) {
      const peer = await target.session("ws");
      peer.sendBytes(utf8(frame));
      peer.sendBytes(utf8('{"type":"nothing"}'));
      const said: unknown[] = [];
      for (;;) {
        const one = await peer.next().catch(() => undefined);
        if (one === undefined) break;
        said.push(one);
      }
      assert.deepEqual(target.secrets.foundIn(JSON.stringify(said)), []);
    }
  });

  attack("reading the whole API with every right: no answer holds a key, a secret, a hash of one, or a token", async (target) => {
    const token = target.admin();
    const { paths } = (await target.http({ path: "/openapi.json" })).json<{ readonly paths: Readonly<Record<string, object>> }>();
    const known = Object.entries(paths).filter(([, methods]) => "get" in methods).map(([path]) => path);
    assert.ok(known.length >= 8, known.join());
    const all = [...known.map((path) => path.replace(/\{\w+\}/g, id)), "/api/messages?topic=%23&limit=10000", "/api/audit?limit=10000", "/metrics", "/readyz", "/openapi.json", "/"];
    for (const path of all) {
      const { body } = await target.http({ path, token });
      assert.deepEqual(target.secrets.foundIn(body), [], path);
      assert.ok(!body.includes("scrypt$"), path);
    }
  });

  attack("a session that may hear everything: audit entries and presence hold no secret", async (target) => {
    const peer = await target.login("ws", target.admin(), "operator");
    peer.send({ kind: "subscribe", topic: "#", qos: 0, since: 0, ref: "all", binary: false });
    await peer.next("subscribed");
    await target.http({ path: "/api/messages", token: target.admin(), body: { type: "fence", payload: "last", qos: 1, msgid: "secrets-fence" } });
    const said: string[] = [];
    for (;;) {
      const frame = await peer.next();
      said.push(JSON.stringify(frame));
      if (frame["msgid"] === "secrets-fence") break;
    }
    assert.ok(said.length > 3);
    assert.deepEqual(target.secrets.foundIn(said.join("\n")), []);
  });

  attack("guessing the code of the console link, and using it twice: each code is good once", async (target) => {
    const code = /#code=([\w-]+)/.exec(target.output.stdout)?.[1];
    assert.ok(code);
    for (const guess of ["", `${code}x`, code.toLowerCase()]) {
      const { status } = await target.http({ path: "/api/console/session", body: { code: guess } });
      assert.ok([401, 403, 422, 429].includes(status), `${status}`);
    }
    assert.ok(!target.output.stderr.includes(code), "the log shows the code");
    const first = await target.http({ path: "/api/console/session", body: { code } });
    assert.equal(first.status, 200, first.body);
    target.secrets.keepToken("the console's token", first.json<{ readonly token: string }>().token);
    const again = await target.http({ path: "/api/console/session", body: { code } });
    assert.ok(again.status >= 400 && again.status < 500, `${again.status}`);
  });

  attack("configs with mistakes beside secrets: busbar check and graph say where, not what the secret is", async (target) => {
    const good = readFileSync(target.path("busbar.json"), "utf8");
    const secret = target.secrets.keep("a secret in a wrong config", "this-is-a-secret-in-a-config-0123456789");
    const hs = `{"algorithm":"HS256","secret":"${secret}"`;
    const configs = [
      good.replace('"${env:ATTACK_HS256}"', `["${secret}"]`), good.replace('"${env:ATTACK_HS256}"', `"${secret}", "publicKey": 7`), `{"plugins":{"auth-jwt":{"keys":[${hs},"algorithm":"none"}]}}}`, `{"plugins":{"auth-jwt":{"keys":[${hs}`,
      `{"plugins":{"auth-jwt":{"devices":{"x":{"secret":"${secret}"}}}}}`, `{"plugins":{"tcp-protobuf":{"clients":{"by":"tokn","token":"${secret}"}}}}`, `{"plugins":{"hook":{"use":"http/webhook","url":"ftp://u:${secret}@x","headers":{"authorization":["${secret}"]},"secret":["${secret}"]}}}`,
      good.replace('"data/busbar.db"', '"${env:NOT_THERE}"').replace('"${env:ATTACK_HS256}"', '"${file:busbar.json}"'),
    ];
    for (const [at, config] of configs.entries()) {
      await writeFile(target.path(`wrong-${at}.json`), config);
      const { problems } = await loadConfig(target.path(`wrong-${at}.json`), { env: (name) => ({ ATTACK_HS256: target.hs256, ATTACK_LISTENER_TOKEN: target.listenerToken })[name] });
      assert.ok(problems.length > 0, config.slice(0, 200));
      const said = problems.map(formatProblem).join("\n");
      assert.deepEqual(target.secrets.foundIn(said), [], `${config.slice(0, 200)}\n${said}`);
    }
    for (const args of [["check", "wrong-4.json"], ["check", "--json"], ["graph"]]) assert.deepEqual(target.secrets.foundIn(await run(target, args)), [], args.join(" "));
  });

  attack("reading the files of the gateway as another user of the machine: keys and databases are closed to everybody else", async (target) => {
    if (process.platform === "win32") return;
    for (const name of readdirSync(target.path("data"))) assert.equal(statSync(target.path(`data/${name}`)).mode & 0o077, 0, name);
    assert.equal(statSync(target.path("data")).mode & 0o077, 0);
  });

  attack("looking for secrets in the process: the command line names none", async (target) => {
    if (process.platform !== "linux") return;
    assert.deepEqual(target.secrets.foundIn(readFileSync(`/proc/${target.process.pid}/cmdline`, "latin1")), []);
  });
});
