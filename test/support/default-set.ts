import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createKernel, createLog, formatLogText, formatProblem, loadConfig, systemClock, type Kernel } from "@busbar/core";
import { parseDocument } from "yaml";

/** A running default set. */
export interface DefaultSet {
  readonly kernel: Kernel;
  /** The one-time link of the console. */
  readonly link: string;
  /** Every line of the log. */
  readonly lines: readonly string[];
}

/** Runs examples/default with its data in a folder of its own and on ports that are free; `more` are plugin sections to add. */
export async function startDefaultSet(folder: string, more: Readonly<Record<string, object>> = {}): Promise<DefaultSet> {
  const document = parseDocument(await readFile(new URL("../../examples/default/busbar.yaml", import.meta.url), "utf8"));
  for (const path of [["http", "port"], ["tcp-protobuf", "port"], ["plant", "opcua", "port"], ["plant", "modbus", "port"]]) document.setIn(["plugins", ...path], 0);
  for (const [id, section] of Object.entries(more)) document.setIn(["plugins", id], document.createNode(section));
  const file = join(folder, "busbar.yaml");
  await writeFile(file, document.toString());
  const { config, problems } = await loadConfig(file);
  assert.ok(config, problems.map(formatProblem).join("\n"));
  const lines: string[] = [];
  const log = createLog({ level: "info", clock: systemClock, write: (record) => lines.push(formatLogText(record)) });
  const kernel = createKernel({ config, log, cwd: folder });
  await kernel.start();
  const link = kernel.gateway.plugins().flatMap(({ addresses }) => addresses).find(({ what }) => what === "Console");
  assert.ok(link);
  return { kernel, link: link.url, lines };
}

