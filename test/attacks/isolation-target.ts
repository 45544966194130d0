import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createKernel, createLog, formatProblem, loadConfig, systemClock, type Envelope, type Kernel, type LogRecord } from "@busbar/core";
import { until } from "@busbar/core/testkit";

const hostile = join(import.meta.dirname, "hostile", "mod.ts");

/** A gateway in which a plugin that means harm runs in an isolate. */
export interface IsolationTarget extends AsyncDisposable {
  readonly kernel: Kernel;
  /** A folder of its own. */
  readonly folder: string;
  readonly log: readonly LogRecord[];
  /** Every message so far that matches a filter of `watch`. */
  readonly heard: readonly Envelope[];
  /** Tells the plugin to try something; resolves with what it says came of it. */
  order(what: string, argument?: string): Promise<string>;
  /** The same, without waiting. */
  tell(what: string, argument?: string): void;
  /** The value of a metric, 0 where there is none: the series is written as in the text of /metrics. */
  metric(series: string): number;
}

/** Starts it; `section` is added to the plugin's, `more` to the plugins. */
export async function startTarget(section: object = {}, more: object = {}): Promise<IsolationTarget> {
  const folder = await mkdtemp(join(tmpdir(), "busbar-isolation-"));
  const file = join(folder, "busbar.json");
  await writeFile(file, JSON.stringify({ plugins: { hostile: { use: hostile, isolate: true, ...section }, ...more } }));
  const { config, problems } = await loadConfig(file);
  assert.ok(config, problems.map(formatProblem).join("\n"));
  const log: LogRecord[] = [];
  const kernel = createKernel({ config, cwd: folder, log: createLog({ clock: systemClock, write: (record) => log.push(record) }) });
  const heard: Envelope[] = [];
  kernel.bus.subscribe("#", (message) => void heard.push(message));
  await kernel.start();
  const tell = (what: string, argument?: string): void => void kernel.bus.publish({ type: "order", payload: { what, argument } });
  return {
    kernel,
    folder,
    log,
    heard,
    tell,
    async order(what, argument) {
      const from = heard.length;
      tell(what, argument);
      const report = await until(`a report on "${what}"`, () => heard.slice(from).find(({ type, payload }) => type === "report" && (payload as { readonly what: string }).what === what));
      return (report.payload as { readonly said: string }).said;
    },
    metric(series) {
      const line = kernel.gateway.metrics().split("\n").find((one) => one.startsWith(`${series} `));
      return line === undefined ? 0 : Number(line.slice(series.length + 1));
    },
    async [Symbol.asyncDispose]() {
      await kernel.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
