import { listPlugins } from "@busbar/core";
import { defineCommand } from "../command.ts";
import { formatTable, paint, print } from "../terminal.ts";

/** `busbar plugins`: what is installed. */
export default defineCommand({
  description: "Lists the plugins that a config in this folder could use, from their package.json. Runs none of their code.",
  positionals: [],
  options: { json: { kind: "flag", text: 'print [{"name","package","version","description","api","runtimes","folder"}]' } },
  examples: [
    ["busbar plugins", "what can a config say in use: ?"],
    ["busbar plugins --json", "the same for a program"],
  ],
  async run({ options }) {
    const plugins = await listPlugins(".");
    if (options.json) print(JSON.stringify(plugins));
    else if (plugins.length === 0) print("no plugins are installed");
    else {
      const rows = plugins.map(({ name, version, runtimes, description }) => [name, version, runtimes.join(" ") || "-", description]);
      const [head, ...rest] = formatTable([["NAME", "VERSION", "RUNTIMES", "WHAT IT IS"], ...rows]).split("\n");
      print([paint("bold", head!), ...rest].join("\n"));
    }
    return 0;
  },
});
