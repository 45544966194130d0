import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { formatProblem, loadConfig } from "@busbar/core";
import { edge } from "./plugin.ts";

/** What is said of a config. */
async function problemsOf(text: string): Promise<readonly string[]> {
  const { problems } = await loadConfig("busbar.yaml", { readText: async () => text, loadPlugin: async () => edge, pluginPackage: async () => undefined });
  return problems.map(formatProblem);
}

/** A config whose only route has these steps, a list in YAML. */
const routeOf = (steps: string): string => `plugins:\n  edge: {}\nroutes:\n  - from: status/#\n    to: event/x\n    steps:\n${steps.replace(/^(?=.)/gm, "      ")}`;

test("a config with a faulty expression is refused with the place of the expression and of the fault in it", async () => {
  const steps = `- where: valu > 3
- map:
    set:
      power: tags.u *
      name: "'x' + topic + 5"
- where: { if: "1 + 1", onError: pass }
`;
  assert.deepEqual(await problemsOf(routeOf(steps)), [
    "busbar.yaml:7:16 routes[0].steps[0].where: is no expression: unknown variable: valu, at character 1; known: value, tag, unit, quality, code, time, tags, topic, kind, from, to, payload, timestamp",
    "busbar.yaml:10:20 routes[0].steps[1].map.set.power: is no expression: unexpected token: EOF, at character 9",
    "busbar.yaml:11:19 routes[0].steps[1].map.set.name: is no expression: no such overload: string + int, at character 1",
    "busbar.yaml:12:22 routes[0].steps[2].where.if: is no expression: it gives a whole number, where true or false is asked for",
  ]);
});

test("README.md shows configs and steps that are right", async () => {
  const readme = await readFile(join(import.meta.dirname, "README.md"), "utf8");
  const blocks = [...readme.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, text]) => text!);
  assert.ok(blocks.length >= 6);
  for (const text of blocks) assert.deepEqual(await problemsOf(text.startsWith("- ") ? routeOf(text) : text), [], text);
});

test("edge cannot be isolated: a message goes through its steps within one turn of the gateway", async () => {
  const { problems } = await loadConfig(join(import.meta.dirname, "busbar.yaml"), { readText: async () => "plugins:\n  edge: { isolate: true }\n" });
  assert.deepEqual(problems.map(({ line, column, message }) => [line, column, message]), [[2, 11, 'cannot be: it offers steps to routes, such as "alarms", which do not cross the border of an isolate']]);
});
