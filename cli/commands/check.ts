import { dirname } from "node:path";
import { formatProblem, installedJsonSchema, loadConfig, toProblemJson } from "@busbar/core";
import { defineCommand } from "../command.ts";
import { defaultConfig, findConfig } from "../config-file.ts";
import { complain, oneLine, print } from "../terminal.ts";

/** `busbar check`: everything that is wrong with a config. */
export default defineCommand({
  description: "Lists everything that is wrong with a config, a line each: file:line:column, the key, what is wrong, what would be right. Ends with 0 when nothing is, else with 78. Nothing is started.",
  positionals: ["config?"],
  options: {
    json: { kind: "flag", text: 'print {"ok","problems":[{"file","line","column","key","message","hint"}]}' },
    schema: { kind: "flag", text: "print the JSON Schema of a config with the installed plugins instead" },
  },
  examples: [
    ["busbar check busbar.yaml", "is it right?"],
    ["busbar check --schema > busbar.schema.json", "let an editor complete and check as you type"],
  ],
  async run({ positionals, options }) {
    if (options.schema) return await printSchema(positionals[0] ?? (await defaultConfig()) ?? "busbar.yaml");
    const { config, problems } = await loadConfig(await findConfig(positionals[0]));
    if (options.json) print(JSON.stringify({ ok: config !== undefined, problems: problems.map(toProblemJson) }));
    else if (config === undefined) for (const problem of problems) print(formatProblem(problem));
    else print(`config ok: ${count(config.instances.length, "plugin")}, ${count(config.routes.length, "route")}`);
    return config === undefined ? 78 : 0;
  },
});

async function printSchema(file: string): Promise<number> {
  const { text, failures } = await installedJsonSchema(dirname(file));
  for (const { name, reason } of failures) complain(`busbar check: plugin "${name}" is not in the schema: ${oneLine(reason)}`);
  print(text.trimEnd());
  return 0;
}

const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? "" : "s"}`;
