import assert from "node:assert/strict";
import { test } from "node:test";
import { loadConfig } from "./load.ts";
import { problemLines, sampleHost } from "./sample-plugins.ts";

const env = { PORT: "9000", TLS: "false", EMPTY: "", WORD: "open", SECRET: "a very secret text", DIGITS: "1234567890", SHORT: "hush", BIG: "99999" };
const files = { "secrets/key": "from-a-file\n", "two": "line\n\n" };

async function configOf(text: string): Promise<readonly unknown[]> {
  const { config, problems } = await loadConfig("busbar.yaml", sampleHost(text, env, files));
  assert.deepEqual(problems, []);
  return config!.instances.map((instance) => instance.config);
}

test("interpolate() turns a text that is one variable into what the schema wants", async () => {
  assert.deepEqual(await configOf("plugins:\n  http:\n    port: ${env:PORT}\n    timeout: ${env:PORT}\n    tls: { cert: a, key: b, verify: '${env:TLS}' }\n"), [
    { port: 9000, host: "127.0.0.1", timeout: 9000, tls: { cert: "a", key: "b", verify: false } },
  ]);
  assert.deepEqual(await configOf("plugins:\n  auth:\n    secret: ${env:DIGITS}\n    mode: ${env:WORD}\n"), [{ secret: "1234567890", mode: "open", keys: [] }]);
});

test("interpolate() fills in several placeholders, defaults, files and escapes", async () => {
  const hosts: readonly (readonly [string, string])[] = [
    ["${env:WORD}-${env:PORT}", "open-9000"],
    ["${env:NONE:-fall back}", "fall back"],
    ["${env:EMPTY:-fall back}", "fall back"],
    ["${env:EMPTY}", ""],
    ["${env:NONE:-}", ""],
    ["${file:secrets/key}", "from-a-file"],
    ["${file:two}|", "line\n|"],
    ["$${env:NONE} $5 $$", "${env:NONE} $5 $$"],
  ];
  for (const [text, host] of hosts) assert.deepEqual(await configOf(`plugins:\n  http: { host: ${JSON.stringify(text)} }\n`), [{ port: 8080, host, timeout: 30_000 }], text);
});

test("interpolate() reads the id of a plugin and a topic from outside", async () => {
  const text = "plugins:\n  h:\n    use: ${env:NONE:-historian}\nroutes:\n  - from: ${env:NONE:-status/#}\n    to: event/${env:WORD}/{id}\n";
  const { config, problems } = await loadConfig("busbar.yaml", sampleHost(text, env));
  assert.deepEqual(problems, []);
  assert.deepEqual(config?.routes.map(({ from, to }) => [from, to]), [["status/#", { kind: "topic", template: "event/open/{id}" }]]);
});

test("interpolate() keeps what came from outside out of every problem", async () => {
  const text =
    "plugins:\n  http:\n    port: ${env:BIG}\n    timeout: ${env:SECRET}\n  auth:\n    secret: ${env:SECRET}\n    mode: ${env:SECRET}\n    keys: ['${env:SECRET}']\n  x:\n    use: ${env:SECRET}\n  auth2:\n    use: auth\n    secret: ${env:SHORT}\n" +
    "routes:\n  - name: ${env:SECRET}\n    from: ${env:SECRET}\n    to: ${env:SECRET}\n  - from: a/b\n    to: event/${env:SECRET}\ngateway:\n  log:\n    level: ${env:SECRET}\n";
  const lines = await problemLines(text, env);
  assert.deepEqual(lines, [
    "busbar.yaml:3:11 plugins.http.port: must be a port, 0 to 65535, not \"${env:BIG}\"",
    'busbar.yaml:4:14 plugins.http.timeout: must be a duration: milliseconds, or text such as "500ms", "30s", "5m", "1h", "7d", not "${env:SECRET}"',
    'busbar.yaml:6:13 plugins.auth.secret: the secret "${env:SECRET}" has a space in it',
    'busbar.yaml:7:11 plugins.auth.mode: unknown value "${env:SECRET}"; allowed: open, closed',
    'busbar.yaml:8:12 plugins.auth.keys[0]: must be a map, not "${env:SECRET}"',
    'busbar.yaml:10:10 plugins.x.use: no plugin "${env:SECRET}" is installed; installed: http, auth, websocket, historian, chicken, egg',
    'busbar.yaml:11:3 plugins.auth2: provides the port "authority", which "auth" provides already; keep one of them',
    'busbar.yaml:13:13 plugins.auth2.secret: must have at least 8 characters, not "${env:SHORT}"',
    'busbar.yaml:15:11 routes[0].name: must be 1-64 characters of A-Z a-z 0-9 . _ : @ -, not "${env:SECRET}"',
    'busbar.yaml:16:11 routes[0].from: must be a topic pattern such as status/+/temperature or event/#, not "${env:SECRET}"',
    'busbar.yaml:17:9 routes[0].to: "${env:SECRET}" is no plugin instance, so the route leads nowhere; instances that accept messages: none; a topic has at least two levels, such as event/alarm',
    'busbar.yaml:19:9 routes[1].to: the topic "event/${env:SECRET}" is not type/id',
    'busbar.yaml:22:12 gateway.log.level: unknown value "${env:SECRET}"; allowed: debug, info, warn, error',
  ]);
});
