// `npm run sbom`: the software bill of materials of what is installed where Busbar runs, CycloneDX 1.5 in JSON, on stdout. Offline: npm reads the lockfile.
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { completeBom, type Bom } from "./supply-chain/complete-bom.ts";
import { npmProgram } from "./supply-chain/npm-program.ts";
import { readLockfile } from "./supply-chain/lockfile.ts";
import { runChild } from "./test/child.ts";

const usage = `npm run sbom [-- --dev]
  --dev      with what only development and tests need
  --help     print this
Prints CycloneDX 1.5 JSON of the packages in package-lock.json. Example: npm run --silent sbom > busbar.cdx.json`;

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const { values } = parseArgs({ options: { dev: { type: "boolean" }, help: { type: "boolean" } } });
process.exitCode = values.help ? (console.log(usage), 0) : await main();

async function main(): Promise<number> {
  const args = ["sbom", "--sbom-format", "cyclonedx", "--sbom-type", "application", "--package-lock-only"];
  const { code, stdout, stderr } = await runChild(npmProgram, args, { cwd: root, timeout: 120_000 });
  if (code !== 0) {
    console.error(`busbar: Cannot make a bill of materials: npm ended with ${code}, it takes npm 10 or later\n${stderr}`);
    return 70;
  }
  console.log(JSON.stringify(completeBom(JSON.parse(stdout) as Bom, readLockfile(root), { dev: values.dev ?? false }), undefined, 2));
  return 0;
}
