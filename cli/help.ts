import { catalog } from "./catalog.ts";
import type { AnyCommand, OptionSpec, OptionSpecs } from "./command.ts";
import { formatTable, paint } from "./terminal.ts";

/** What `busbar --help` prints. */
export function formatOverview(version: string): string {
  const rows = Object.entries(catalog).map(([name, { summary }]) => [name, summary]);
  const examples = Object.values(catalog).map(({ example }) => `  ${example}`);
  return [
    `busbar ${version}: a gateway that bolts protocols together`,
    "",
    paint("bold", "Usage"),
    "  busbar <command> [arguments] [options]",
    "",
    paint("bold", "Commands"),
    formatTable(rows, "  "),
    "",
    paint("bold", "Examples"),
    ...examples,
    "",
    paint("bold", "Exit codes"),
    "  0 done   64 usage   65 data   69 unavailable   70 internal   74 input/output   77 no permission   78 config",
    "",
    "busbar <command> --help says more. busbar --version prints the version.",
  ].join("\n");
}

/** What `busbar <command> --help` prints. */
export function formatCommandHelp(name: string, command: AnyCommand): string {
  const specs = command.options as OptionSpecs;
  const words = command.positionals.map((one) => (one.endsWith("?") ? `[${one.slice(0, -1)}]` : `<${one}>`));
  const options = [...Object.entries(specs).map(([key, spec]) => [`--${key}${argumentOf(spec)}`, spec.text + fallbackOf(spec)]), ["--help", "print this"]];
  return [
    command.description,
    "",
    paint("bold", "Usage"),
    `  ${["busbar", name, ...words, "[options]"].join(" ")}`,
    "",
    paint("bold", "Options"),
    formatTable(options, "  "),
    "",
    paint("bold", command.examples.length === 1 ? "Example" : "Examples"),
    ...command.examples.flatMap(([line, text]) => [`  ${paint("dim", `# ${text}`)}`, `  ${line}`]),
  ].join("\n");
}

function argumentOf(spec: OptionSpec): string {
  switch (spec.kind) {
    case "flag":
      return "";
    case "choice":
      return ` ${spec.of.join("|")}`;
    case "duration":
      return " <duration>";
    default:
      return ` <${spec.value}>`;
  }
}

function fallbackOf(spec: OptionSpec): string {
  return spec.kind === "flag" || spec.fallback === undefined ? "" : ` (default ${spec.fallback})`;
}
