import { isId } from "@busbar/core";
import { accessOptions, openAccess } from "../client/access.ts";
import { callApi } from "../client/api.ts";
import { defineCommand } from "../command.ts";
import { usageFailure } from "../failure.ts";
import { formatTable, oneLine, print } from "../terminal.ts";

interface Reader {
  readonly reader: string;
  readonly offset: number;
  readonly behind: number;
  readonly used: boolean;
}

/** `busbar readers`: where the durable readers of a running gateway stand. */
export default defineCommand({
  description: "Lists the durable readers of a gateway and how far each is behind, also those whose plugin is gone and for which the journal keeps everything; or drops such a one.",
  positionals: ["list|drop", "name?"],
  options: {
    json: { kind: "flag", text: "list: each as one line of JSON; drop: print {\"reader\"}" },
    ...accessOptions,
  },
  examples: [
    ["busbar readers list", "who is how far behind"],
    ["busbar readers drop upstream/main", "its plugin was taken out of the config"],
  ],
  async run({ positionals, options }) {
    const [action = "", name] = positionals;
    if (action !== "list" && action !== "drop") throw usageFailure(`readers: "${oneLine(action)}" must be list or drop`);
    if (action === "list" && name !== undefined) throw usageFailure("readers: list takes no name");
    if (action === "drop" && (name === undefined || !isId(name))) throw usageFailure("readers: drop wants the name of a reader, such as upstream/main");
    const access = await openAccess(options, { roles: ["admin"], ttl: 3600, user: true, protocol: "ws" });
    const token = await access.tokenFor("busbar-readers");
    if (action === "drop") {
      await callApi({ at: access.url, ca: access.ca, token, path: "/api/readers/drop", body: { reader: name }, verb: `drop reader "${name}"` });
      print(options.json ? JSON.stringify({ reader: name }) : `${name} is dropped`);
      return 0;
    }
    const { readers } = await callApi<{ readonly readers: readonly Reader[] }>({ at: access.url, ca: access.ca, token, path: "/api/readers", verb: "list readers" });
    if (options.json) for (const one of readers) print(JSON.stringify(one));
    else if (readers.length === 0) print("no durable readers");
    else print(formatTable(readers.map(({ reader, offset, behind, used }) => [oneLine(reader), `at ${offset}`, `${behind} behind`, used ? "in use" : "not used by anybody"])));
    return 0;
  },
});
