import assert from "node:assert/strict";
import { test } from "node:test";
import { loadConfig } from "./load.ts";
import { problemLines, sampleHost, samplePlugins } from "./sample-plugins.ts";

/** Golden pairs: a config and exactly what is said of it. */
const golden: readonly (readonly [name: string, text: string, lines: readonly string[]])[] = [
  [
    "unknown keys at every level",
    "plugns: {}\nplugins:\n  http:\n    prt: 1\n    hots: x\n    tls: { cert: a, key: b, verfy: true }\ngateway:\n  log: { levl: info }\nroutes:\n  - from: status/#\n    too: x\n    to: event/{id}\n",
    [
      'busbar.yaml:1:1 plugns: unknown key; did you mean "plugins"? allowed: plugins, routes, gateway',
      'busbar.yaml:4:5 plugins.http.prt: unknown key; did you mean "port"? allowed: port, host, timeout, tls, use, required, isolate',
      'busbar.yaml:5:5 plugins.http.hots: unknown key; did you mean "host"? allowed: port, host, timeout, tls, use, required, isolate',
      'busbar.yaml:6:29 plugins.http.tls.verfy: unknown key; did you mean "verify"? allowed: cert, key, verify',
      'busbar.yaml:8:10 gateway.log.levl: unknown key; did you mean "level"? allowed: level',
      'busbar.yaml:11:5 routes[0].too: unknown key; did you mean "to"? allowed: name, from, steps, to',
    ],
  ],
  [
    "wrong values",
    'plugins:\n  http:\n    port: 70000\n    host: 5\n    timeout: 3 fortnights\n    required: maybe\n  auth:\n    secret: short\n    mode: opne\n    keys: [{ kind: fil, path: x }, { kind: file }, { path: y }]\ngateway:\n  log: { level: loud }\n  dedupeWindow: 1.5\n  commandTtl: 1ms\n',
    [
      "busbar.yaml:3:11 plugins.http.port: must be a port, 0 to 65535, not 70000",
      "busbar.yaml:4:11 plugins.http.host: must be text, not 5",
      'busbar.yaml:5:14 plugins.http.timeout: must be a duration: milliseconds, or text such as "500ms", "30s", "5m", "1h", "7d", not "3 fortnights"',
      'busbar.yaml:6:15 plugins.http.required: must be true or false, not "maybe"',
      'busbar.yaml:8:13 plugins.auth.secret: must have at least 8 characters, not "[secret]"',
      'busbar.yaml:9:11 plugins.auth.mode: unknown value "opne"; did you mean "open"? allowed: open, closed',
      'busbar.yaml:10:20 plugins.auth.keys[0].kind: unknown value "fil"; did you mean "file"? allowed: file, url',
      "busbar.yaml:10:36 plugins.auth.keys[1].path: missing; it must be text",
      "busbar.yaml:10:52 plugins.auth.keys[2].kind: missing; allowed: file, url",
      'busbar.yaml:12:17 gateway.log.level: unknown value "loud"; allowed: debug, info, warn, error',
      "busbar.yaml:13:17 gateway.dedupeWindow: must be a whole number, not 1.5",
      'busbar.yaml:14:15 gateway.commandTtl: must be a duration of 1000 ms to 2592000000 ms, not "1ms"',
    ],
  ],
  [
    "a mistake inside one shape of several",
    "plugins:\n  http: { tls: [] }\n  a: { use: historian, target: { url: x, retires: 3 } }\n  b: { use: historian, target: [] }\n",
    ["busbar.yaml:2:16 plugins.http.tls: must be a map, not a list", 'busbar.yaml:3:42 plugins.a.target.retires: unknown key; did you mean "retries"? allowed: url, retries', "busbar.yaml:4:32 plugins.b.target: must be text or a map, not a list"],
  ],
  [
    "a missing environment variable and file",
    "plugins:\n  http:\n    port: ${env:HTTP_PORT}\n    host: ${env:}-${foo}\n  auth:\n    secret: ${file:secrets/key}\n",
    [
      "busbar.yaml:3:11 plugins.http.port: the environment variable HTTP_PORT is not set; set it, or write ${env:HTTP_PORT:-default}",
      "busbar.yaml:4:11 plugins.http.host: ${env:} names no environment variable; write ${env:NAME} or ${env:NAME:-default}",
      "busbar.yaml:4:11 plugins.http.host: ${foo} is no placeholder that is known; write ${env:NAME}, ${env:NAME:-default} or ${file:path}; $${ stands for ${",
      'busbar.yaml:6:13 plugins.auth.secret: the file "secrets/key" cannot be read: no such file; the path is relative to the config file',
    ],
  ],
  [
    "two plugins with one id, and bad ids",
    "plugins:\n  http: {}\n  http: { port: 1 }\n  server: { use: historian }\n  a/b: { use: historian }\n  __proto__: { use: historian }\n",
    [
      "busbar.yaml:3:3 plugins.http: two plugins with one id: the first is at 2:3",
      'busbar.yaml:4:3 plugins.server: the id "server" is reserved; choose another one and say what it is with "use"',
      "busbar.yaml:5:3 plugins.a/b: is not an id; an id of a plugin is 1-256 characters of A-Z a-z 0-9 . _ : @ -",
      "busbar.yaml:6:3 plugins.__proto__: this key is not allowed anywhere",
    ],
  ],
  [
    "unknown plugins",
    "plugins:\n  htpp: {}\n  ws: { use: websockets }\n  bad: { use: 7 }\n  odd: 7\n",
    [
      'busbar.yaml:2:3 plugins.htpp: no plugin "htpp" is installed; did you mean "http"? installed: http, auth, websocket, historian, chicken, egg',
      'busbar.yaml:3:14 plugins.ws.use: no plugin "websockets" is installed; did you mean "websocket"? installed: http, auth, websocket, historian, chicken, egg',
      "busbar.yaml:4:15 plugins.bad.use: must be the name of a plugin, not 7",
      "busbar.yaml:5:8 plugins.odd: must be a map, not 7",
    ],
  ],
  [
    "ports nobody provides, ports provided twice, circles",
    "plugins:\n  websocket:\n  auth: { secret: 12345678a }\n  auth2: { use: auth, secret: 12345678a }\n  chicken:\n  egg:\n",
    [
      'busbar.yaml:2:3 plugins.websocket: needs the port "http", which no instance provides; add one of these: http',
      'busbar.yaml:4:3 plugins.auth2: provides the port "authority", which "auth" provides already; keep one of them',
      "busbar.yaml:5:3 plugins.chicken: needs itself by way of others: chicken needs egg needs chicken; take one of them out",
    ],
  ],
];

const goldenRoutes: readonly (readonly [name: string, routes: string, lines: readonly string[]])[] = [
  [
    "routes to nowhere",
    '  - from: status/#\n  - { from: status/#, to: histroy }\n  - { from: status/#, to: http }\n  - { from: status/#, to: Status/x }\n  - { from: status/#, to: "event/{name}" }\n  - { from: status/#x, to: "event/{id}" }\n  - { to: history }\n  - to-nowhere\n',
    [
      "busbar.yaml:5:5 routes[0].to: missing, so the route leads nowhere; name a topic such as event/alarm/{id}, or the id of a plugin that accepts messages",
      'busbar.yaml:6:27 routes[1].to: "histroy" is no plugin instance, so the route leads nowhere; did you mean "history"? instances that accept messages: history; a topic has at least two levels, such as event/histroy',
      'busbar.yaml:7:27 routes[2].to: the plugin instance "http" accepts no messages, so the route leads nowhere; instances that accept messages: history',
      'busbar.yaml:8:27 routes[3].to: the topic "Status/x" has "Status" for a type; it must be {type} or a token [a-z][a-z0-9-]{0,31}',
      'busbar.yaml:9:27 routes[4].to: the topic "event/{name}" has the unknown placeholder "{name}"; {id} and {type} are known',
      'busbar.yaml:10:13 routes[5].from: must be a topic pattern such as status/+/temperature or event/#, not "status/#x"',
      "busbar.yaml:11:5 routes[6].from: missing; it must be a topic pattern such as status/#",
      'busbar.yaml:12:5 routes[7]: must be a map, not "to-nowhere"; allowed: name, from, steps, to',
    ],
  ],
  [
    "routes that never end",
    '  - { name: echo, from: status/#, to: "status/echo/{id}" }\n  - { name: ping, from: event/a, to: event/b }\n  - { name: pong, from: event/+, to: event/a/x }\n  - { name: back, from: event/a/+, to: event/a }\n',
    [
      'busbar.yaml:5:39 routes[0].to: the route "echo" feeds itself: what it sends matches its own "from"; narrow "from", or send to a topic that it does not match',
      'busbar.yaml:6:38 routes[1].to: routes feed each other in a circle: ping -> pong -> back -> ping; narrow "from", or send to a topic that it does not match',
      'busbar.yaml:7:38 routes[2].to: routes feed each other in a circle: pong -> back -> pong; narrow "from", or send to a topic that it does not match',
    ],
  ],
  [
    "steps and names",
    '  - { name: one, from: status/#, steps: [{ fliter: {} }, { filter: { abov: 1, below: x } }, { pick: [], drop: [a] }, pick, { double: }], to: history }\n  - { name: one, from: status/#, steps: { pick: [a] }, to: history }\n  - { name: "a b", from: [], to: 3 }\n',
    [
      'busbar.yaml:5:44 routes[0].steps[0].fliter: unknown step; did you mean "filter"? allowed: changed, drop, filter, pick, readings, rename, set, throttle, double',
      'busbar.yaml:5:70 routes[0].steps[1].filter.abov: unknown key; did you mean "above"? allowed: field, equals, not, above, below, exists, quality',
      'busbar.yaml:5:86 routes[0].steps[1].filter.below: must be a number, not "x"',
      "busbar.yaml:5:93 routes[0].steps[2]: must be a map of one key, the name of a step, not of 2 keys; steps: changed, drop, filter, pick, readings, rename, set, throttle, double",
      'busbar.yaml:5:118 routes[0].steps[3]: must be a map of one key, the name of a step, not "pick"; steps: changed, drop, filter, pick, readings, rename, set, throttle, double',
      'busbar.yaml:6:13 routes[1].name: two routes are called "one"; the first is routes[0]',
      "busbar.yaml:6:41 routes[1].steps: must be a list of steps, not a map",
      'busbar.yaml:7:13 routes[2].name: must be 1-64 characters of A-Z a-z 0-9 . _ : @ -, not "a b"',
      "busbar.yaml:7:26 routes[2].from: must be text, not a list",
      "busbar.yaml:7:34 routes[2].to: must be a topic or the id of a plugin, not 3",
    ],
  ],
];

for (const [name, text, lines] of golden) test(`loadConfig() lists ${name}`, async () => assert.deepEqual(await problemLines(text), lines));

for (const [name, routes, lines] of goldenRoutes) {
  test(`loadConfig() lists ${name}`, async () => assert.deepEqual(await problemLines(`plugins:\n  http:\n  history: { use: historian }\nroutes:\n${routes}`), lines));
}

test("loadConfig() fills in defaults and keeps what was written", async () => {
  const text = 'plugins:\n  http:\n  web: { use: websocket, required: false }\n  auth: { secret: "12345678" }\nroutes:\n  - { from: status/+, steps: [{ changed: }], to: "event/{id}" }\n';
  const { config, problems } = await loadConfig("busbar.yaml", sampleHost(text));
  assert.deepEqual(problems, []);
  assert.deepEqual(config?.instances.map(({ id, plugin, required, source }) => [id, plugin, required, source]), [
    ["http", samplePlugins["http"], true, {}],
    ["web", samplePlugins["websocket"], false, {}],
    ["auth", samplePlugins["auth"], true, { secret: "12345678" }],
  ]);
  assert.deepEqual(config?.instances[0]?.config, { port: 8080, host: "127.0.0.1", timeout: 30_000 });
  assert.deepEqual(config?.routes.map(({ name, from, steps, to }) => [name, from, steps[0]?.name, steps[0]?.config, to]), [["route-0", "status/+", "changed", { topics: 10_000 }, { kind: "topic", template: "event/{id}" }]]);
  assert.equal(config?.gateway.setupTimeout, 10_000);
  assert.equal(config?.file, "busbar.yaml");
});

test("loadConfig() reports needs and steps only once every plugin is known", async () => {
  const text = 'plugins:\n  htpp:\n  websocket:\n  auth: { secret: "12345678" }\nroutes:\n  - { from: a/b, steps: [{ mystery: }], to: event/x }\n';
  assert.deepEqual(await problemLines(text), ['busbar.yaml:2:3 plugins.htpp: no plugin "htpp" is installed; did you mean "http"? installed: http, auth, websocket, historian, chicken, egg']);
});

test("loadConfig() reads JSON with places", async () => {
  const { problems } = await loadConfig("busbar.json", sampleHost('{\n  "$schema": "x",\n  "plugins": {\n    "http": { "port": "x" }\n  }\n}'));
  assert.deepEqual(problems, [{ file: "busbar.json", line: 4, column: 23, key: "plugins.http.port", message: 'must be a port, 0 to 65535, not "x"' }]);
});
