import type { InstanceStatus } from "@busbar/core";
import { formatTable, paint } from "./terminal.ts";

/** What the http plugin announces its one-time link as. */
const consoleName = "Console";

/** What listens where as a table for people, the console link below it. */
export function formatAddresses(plugins: readonly InstanceStatus[]): string {
  const rows: string[][] = [];
  const links: string[] = [];
  for (const { id, state, reason, addresses } of plugins) {
    for (const { what, url, insecure } of addresses) {
      if (what === consoleName) links.push(url);
      else rows.push([id, what, url, insecure ? "insecure: without TLS, open to other machines" : ""]);
    }
    if (state !== "running") rows.push([id, state, reason ?? ""]);
  }
  const table = rows.length === 0 ? "  nothing listens" : formatTable(rows, "  ");
  return [table, ...links.map((url) => `\n  ${paint("bold", "Open the console")} (the link is good once, for 15 minutes)\n  ${paint("cyan", url)}`)].join("\n");
}

/** The same as one line of JSON: `{"plugins":[{id,use,state,addresses:[{what,url,insecure?}]}]}`. */
export function formatAddressesJson(plugins: readonly InstanceStatus[]): string {
  return JSON.stringify({ plugins: plugins.map(({ id, use, state, reason, addresses }) => ({ id, use, state, ...(reason === undefined ? {} : { reason }), addresses })) });
}
