import process from "node:process";
import { denoFlags, formatAddress, formatProblem, gatewayPermissions, type Permissions } from "@busbar/core";
import { defineCommand } from "../command.ts";
import { findConfig } from "../config-file.ts";
import { Failure, usageFailure } from "../failure.ts";
import { formatTable, paint, print } from "../terminal.ts";

/** `busbar permissions`: what a config needs. */
export default defineCommand({
  description: "Says what a config needs of the machine: hosts, ports, files, environment. It is worked out from the package.json of each plugin and the config; nothing is started. With --deno, what to write between deno run and cli/main.ts to grant exactly that.",
  positionals: ["config?"],
  options: {
    deno: { kind: "flag", text: "print the options of deno run that grant it, on one line" },
    json: { kind: "flag", text: 'print {"all","kernel","instances":{id:…}}, each {"net","read","write","env","sys"}' },
  },
  examples: [
    ["busbar permissions busbar.yaml", "who touches what?"],
    ["deno run $(busbar permissions --deno) cli/main.ts start", "run with nothing more than that"],
  ],
  async run({ positionals, options }) {
    if (options.deno && options.json) throw usageFailure("permissions: --deno and --json do not go together");
    const { permissions, problems } = await gatewayPermissions(await findConfig(positionals[0]), process.cwd());
    if (permissions === undefined) throw new Failure(78, problems.map(formatProblem));
    if (options.deno) print(denoFlags(permissions.all, process.cwd(), permissions).join(" "));
    else if (options.json) print(JSON.stringify({ all: plain(permissions.all), kernel: plain(permissions.kernel), instances: Object.fromEntries([...permissions.instances].map(([id, one]) => [id, plain(one)])) }));
    else {
      const rows = [["the gateway itself", permissions.kernel] as const, ...permissions.instances].flatMap(([who, one]) => describe(who, one));
      const [head, ...rest] = formatTable([["WHO", "MAY", "WHAT"], ...rows]).split("\n");
      print([paint("bold", head!), ...rest].join("\n"));
    }
    return 0;
  },
});

/** Permissions as JSON has them: addresses as `listen:127.0.0.1:8080`. */
const plain = (permissions: Permissions): object => ({ ...permissions, net: permissions.net.map((one) => `${one.action}:${formatAddress(one)}`) });

function describe(who: string, { net, read, write, env, sys }: Permissions): readonly (readonly string[])[] {
  const rows = [
    ...net.map((one) => [one.action === "listen" ? "listen on" : "connect to", formatAddress(one)] as const),
    ...read.map((path) => ["read", path] as const),
    ...write.map((path) => ["write", path] as const),
    ...env.map((name) => ["know the variable", name] as const),
    ...sys.map((name) => ["ask about the machine", name] as const),
  ];
  return rows.length === 0 ? [[who, "nothing", ""]] : rows.map(([may, what], at) => [at === 0 ? who : "", may, what]);
}
