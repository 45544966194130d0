import { isId } from "@busbar/core";
import { accessOptions, openAccess } from "../client/access.ts";
import { callApi } from "../client/api.ts";
import { defineCommand } from "../command.ts";
import { usageFailure } from "../failure.ts";
import { formatTable, oneLine, print } from "../terminal.ts";

interface Letter {
  readonly id: string;
  readonly reader: string;
  readonly reason: string;
  readonly time: number;
  readonly message: { readonly type: string; readonly from: string; readonly to: string; readonly payload: unknown };
}

interface Page {
  readonly deadLetters: readonly Letter[];
  readonly next?: string;
}

/** `busbar dead`: what the sinks of a running gateway refused for good. */
export default defineCommand({
  description: "Lists the messages that sinks refused for good, oldest first, hands them to their sinks again, or drops them. replay and drop want --id, --reader or --all.",
  positionals: ["list|replay|drop"],
  options: {
    reader: { kind: "text", value: "instance/name", text: "only those of this reader" },
    id: { kind: "text", value: "id", many: true, text: "the one of this id" },
    all: { kind: "flag", text: "every one" },
    json: { kind: "flag", text: "list: each as one line of JSON; replay, drop: print {\"count\"}" },
    ...accessOptions,
  },
  examples: [
    ["busbar dead list", "what is there, and why"],
    ["busbar dead replay --reader upstream/main", "once the other side has been mended"],
    ["busbar dead drop --id dl-6b8b4567-1042", "not worth it"],
  ],
  async run({ positionals, options }) {
    const [action = ""] = positionals;
    const { reader, id: ids, all, json } = options;
    if (action !== "list" && action !== "replay" && action !== "drop") throw usageFailure(`dead: "${oneLine(action)}" must be list, replay or drop`);
    if (reader !== undefined && !isId(reader)) throw usageFailure(`dead: --reader "${oneLine(reader)}" is no reader, such as upstream/main`);
    if (action === "list" && (ids.length > 0 || all)) throw usageFailure("dead: list takes --reader, not --id or --all");
    if (action !== "list" && all === (ids.length > 0 || reader !== undefined)) throw usageFailure(`dead: ${action} wants --id or --reader, or --all alone`);
    if (ids.length > 1000) throw usageFailure(`dead: at most 1000 ids at once, not ${ids.length}`);
    const access = await openAccess(options, { roles: ["admin"], ttl: 3600, user: true, protocol: "ws" });
    const token = await access.tokenFor("busbar-dead");
    if (action === "list") return await list((path) => callApi({ at: access.url, ca: access.ca, token, path, verb: "list dead letters" }), { reader, json });
    const body = { ...(reader === undefined ? {} : { reader }), ...(ids.length === 0 ? {} : { ids }), ...(all ? { all } : {}) };
    const { count } = await callApi<{ readonly count: number }>({ at: access.url, ca: access.ca, token, path: `/api/dead-letters/${action}`, body, verb: `${action} dead letters` });
    if (json) print(JSON.stringify({ count }));
    else print(`${count} dead letter${count === 1 ? "" : "s"} ${action === "drop" ? "dropped" : "on the way to their readers again"}`);
    return 0;
  },
});

/** Page by page, so that neither side holds all of them. */
async function list(read: (path: string) => Promise<Page>, { reader, json }: { readonly reader: string | undefined; readonly json: boolean }): Promise<number> {
  let count = 0;
  for (let after: string | undefined, more = true; more; ) {
    const query = new URLSearchParams({ limit: "500", ...(reader === undefined ? {} : { reader }), ...(after === undefined ? {} : { after }) });
    const page = await read(`/api/dead-letters?${query}`);
    if (json) for (const letter of page.deadLetters) print(JSON.stringify(letter));
    else if (page.deadLetters.length > 0) print(formatTable(page.deadLetters.map(formatLetter)));
    count += page.deadLetters.length;
    after = page.next;
    more = after !== undefined;
  }
  if (count === 0 && !json) print("no dead letters");
  return 0;
}

function formatLetter({ id, reader, reason, time, message }: Letter): string[] {
  const { type, from, to, payload } = message;
  const text = oneLine(JSON.stringify(payload));
  return [id, new Date(time).toISOString().slice(0, 19) + "Z", reader, oneLine(`${type}/${to === "server" ? from : to}`), text.length > 60 ? text.slice(0, 59) + "…" : text, oneLine(reason)];
}
