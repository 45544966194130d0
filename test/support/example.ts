import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createKernel, createLog, formatLogText, formatProblem, loadConfig, systemClock, type Envelope, type Kernel } from "@busbar/core";
import { parseDocument } from "yaml";

/** An example that runs. */
export interface RunningExample extends AsyncDisposable {
  readonly kernel: Kernel;
  /** Every line of the log. */
  readonly lines: readonly string[];
  /** All that has passed since the start. */
  readonly heard: readonly Envelope[];
  /** What a plugin announced as `what`. */
  url(what: string): string;
}

/** Where something in a config is, and what stands there instead. */
export type Change = readonly [path: readonly (string | number)[], value: unknown];

/**
 * Runs the config `file` of examples/`name` with its data in `folder`, which is empty or was used by an earlier run, and its HTTP server on a free port. `changes`: what else differs, such as ports and times that a test does
 * not wait for.
 */
export async function startExample(name: string, { folder, file = "busbar.yaml", changes = [] }: { readonly folder: string; readonly file?: string; readonly changes?: readonly Change[] }): Promise<RunningExample> {
  const source = join(import.meta.dirname, "../../examples", name);
  const document = parseDocument(await readFile(join(source, file), "utf8"));
  document.setIn(["plugins", "http", "port"], 0);
  for (const [path, value] of changes) document.setIn(path, document.createNode(value));
  for (const [id, section] of Object.entries((document.toJS() as { readonly plugins: Readonly<Record<string, { readonly use?: string }>> }).plugins)) {
    if (section.use?.startsWith("./")) document.setIn(["plugins", id, "use"], join(source, section.use));
  }
  const config = join(folder, file);
  await writeFile(config, document.toString());
  const loaded = await loadConfig(config);
  assert.ok(loaded.config, loaded.problems.map(formatProblem).join("\n"));
  const lines: string[] = [];
  const heard: Envelope[] = [];
  const kernel = createKernel({ config: loaded.config, log: createLog({ level: "info", clock: systemClock, write: (record) => lines.push(formatLogText(record)) }), cwd: folder });
  kernel.bus.subscribe("#", (message) => void heard.push(message));
  await kernel.start();
  return {
    kernel,
    lines,
    heard,
    url(what) {
      const found = kernel.gateway.plugins().flatMap(({ addresses }) => addresses).find((one) => one.what === what);
      assert.ok(found, `nothing announced "${what}"`);
      return found.url;
    },
    [Symbol.asyncDispose]: () => kernel.stop(),
  };
}
