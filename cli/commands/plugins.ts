import { listPlugins, permissionKinds, type InstalledPlugin } from "@busbar/core";
import { defineCommand } from "../command.ts";
import { formatTable, paint, print } from "../terminal.ts";

/** `busbar plugins`: what is installed. */
export default defineCommand({
  description: "Lists the plugins that a config in this folder could use, from their package.json, and what each may touch. Runs none of their code.",
  positionals: [],
  options: { json: { kind: "flag", text: 'print [{"name","package","version","description","api","runtimes","permissions","folder"}]' } },
  examples: [
    ["busbar plugins", "what can a config say in use: ?"],
    ["busbar plugins --json", "the same for a program"],
  ],
  async run({ options }) {
    const plugins = await listPlugins(".");
    if (options.json) print(JSON.stringify(plugins));
    else if (plugins.length === 0) print("no plugins are installed");
    else {
      const rows = plugins.flatMap((plugin) => {
        const { name, version, runtimes, description } = plugin;
        return [[name, version, runtimes.join(" ") || "-", description], ...permissionLines(plugin).map((line) => ["", "", "", `  ${line}`])];
      });
      const [head, ...rest] = formatTable([["NAME", "VERSION", "RUNTIMES", "WHAT IT IS, AND WHAT IT MAY TOUCH"], ...rows]).split("\n");
      print([paint("bold", head!), ...rest].join("\n"));
    }
    return 0;
  },
});

/** What a plugin may touch, a line for each kind; `{field}` is a field of its config. */
function permissionLines({ permissions }: InstalledPlugin): readonly string[] {
  if (permissions === undefined) return ["its package.json says what it may touch in a way that cannot be understood"];
  return permissionKinds.filter((kind) => permissions[kind].length > 0).map((kind) => `${kind}: ${permissions[kind].join(", ")}`);
}
