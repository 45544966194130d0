import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { nearest } from "@busbar/core";
import { defineCommand } from "../command.ts";
import { Failure, usageFailure } from "../failure.ts";
import { formatTable, oneLine, print } from "../terminal.ts";

const template = fileURLToPath(new URL("../template/", import.meta.url));
/** What the template calls itself, and its files with what each is for. */
const templateName = "my-protocol";
const files: Readonly<Record<string, string>> = { "mod.ts": "the plugin", "mod.test.ts": "its tests", "README.md": "what users read", "package.json": "what busbar plugins lists" };

/** `busbar new plugin`: a plugin to start from. */
export default defineCommand({
  description: "Writes a small plugin that works, with tests and a README: devices that send lines of text over TCP. Change it into yours.",
  positionals: ["plugin", "name"],
  options: { dir: { kind: "text", value: "folder", text: "where to write it (default ./busbar-plugin-<name>)" } },
  examples: [["busbar new plugin my-meter", "write ./busbar-plugin-my-meter"]],
  async run({ positionals, options }) {
    const [kind = "", name = ""] = positionals;
    if (kind !== "plugin") throw usageFailure(`new: cannot make a "${oneLine(kind)}"; ${nearest(kind, ["plugin"]) === undefined ? "there is: plugin" : "did you mean plugin?"}`);
    if (!/^[a-z][a-z0-9-]{0,63}$/.test(name)) throw usageFailure(`new: "${oneLine(name)}" is no name for a plugin: it must be lower case letters, digits and dashes`);
    const folder = options.dir ?? `busbar-plugin-${name}`;
    await makeEmpty(folder);
    for (const file of Object.keys(files)) await writeFile(join(folder, file), (await readFile(join(template, file), "utf8")).replaceAll(templateName, name), { flag: "wx" });
    print(`made the plugin ${name} in ${resolve(folder)}\n\n${formatTable(Object.entries(files), "  ")}\n\nrun its tests:    cd ${folder} && node --test\nput it to use:    plugins: { ${name}: { use: ./${relative(".", folder)}/mod.ts } }`);
    return 0;
  },
});

/** @throws {Failure} 74 when something is in the folder already. */
async function makeEmpty(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  if ((await readdir(folder)).length > 0) throw new Failure(74, [`busbar: cannot write to ${folder}: it is not empty`]);
}
