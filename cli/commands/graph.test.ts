import assert from "node:assert/strict";
import { test } from "node:test";
import { openFolder, runBusbar, smallConfig } from "../testing/busbar.ts";

const config = `${smallConfig}routes:
  - { name: seen, from: status/#, steps: [{ pick: [temperature] }], to: "event/seen/{id}" }
`;

test("busbar graph draws plugins, needs and routes for a terminal", async () => {
  await using folder = await openFolder({ "busbar.yaml": config });
  const { code, stdout } = await runBusbar(["graph"], { cwd: folder.path });
  assert.equal(code, 0);
  assert.match(stdout, /^ +╻ bus$/m);
  assert.match(stdout, /^ {2}auth-jwt ─+▶ ┫$/m);
  assert.match(stdout, /^ {2}http ─+▶ ┫ needs authority from auth-jwt$/m);
  assert.match(stdout, /^ +┣─ status\/# ─▶ \[ seen \| pick \] ─▶ event\/seen\/\{id\}$/m);
});

test("busbar graph --mermaid prints a flowchart", async () => {
  await using folder = await openFolder({ "busbar.yaml": config });
  const lines = (await runBusbar(["graph", "--mermaid"], { cwd: folder.path })).stdout.trimEnd().split("\n");
  assert.equal(lines[0], "flowchart LR");
  assert.equal(lines[1], '  n0{{"bus"}}');
  const http = lines.find((line) => line.endsWith('["http"]'))!.trim().split("[")[0];
  const auth = lines.find((line) => line.endsWith('["auth-jwt"]'))!.trim().split("[")[0];
  const route = lines.find((line) => line.includes('(["seen '))!.trim().split("(")[0];
  assert.ok(lines.includes(`  ${auth} -->|"authority"| ${http}`));
  assert.ok(lines.includes(`  n0 -->|"status/#35;"| ${route}`));
  for (const line of lines.slice(1)) assert.match(line, /^ {2}n\d+(?:\{\{"[^"]*"\}\}|\["[^"]*"\]|\(\["[^"]*"\]\)| -->(?:\|"[^"]*"\|)? n\d+)$/);
});

test("busbar graph --json gives nodes and edges; a wrong config ends with 78", async () => {
  await using folder = await openFolder({ "busbar.yaml": config, "wrong.yaml": "plugins: { nobody: {} }\n" });
  const { nodes, edges } = JSON.parse((await runBusbar(["graph", "--json"], { cwd: folder.path })).stdout) as { nodes: { id: string }[]; edges: { from: string; to: string; label: string }[] };
  assert.deepEqual(nodes.map(({ id }) => id), ["bus", "auth-jwt", "http", "websocket", "tcp-protobuf", "route:seen"]);
  assert.ok(edges.some(({ from, to, label }) => from === "http" && to === "websocket" && label === "http"));
  const wrong = await runBusbar(["graph", "wrong.yaml"], { cwd: folder.path });
  assert.equal(wrong.code, 78);
  assert.match(wrong.stderr, /^wrong\.yaml:1:\d+ plugins\.nobody: /);
});
