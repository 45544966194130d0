import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { rekeyStorage, storageSqlite, type RekeyPlan, type RekeyReport } from "@busbar/storage-sqlite";
import { defineCommand } from "../command.ts";
import { findConfig, readConfig } from "../config-file.ts";
import { Failure } from "../failure.ts";
import { complain, oneLine, print } from "../terminal.ts";

/** Milliseconds between two lines about how far it is. */
const progressEvery = 2000;

/** `busbar rekey`: brings what is stored to the present key and rules. */
export default defineCommand({
  description:
    "Encrypts the sensitive fields of all stored messages with the first key of the config, those in plain text and those under older keys, and makes the files anew so that nothing else is left in them. The gateway must be stopped; there must be room for two more copies of the files. May be interrupted at any moment: the next one goes on. Ends with 65 when messages are left whose key is missing, or that are damaged.",
  positionals: ["config?"],
  options: {
    status: { kind: "flag", text: "change nothing, only say how many messages there are under which key" },
    json: { kind: "flag", text: "print the result as one line of JSON" },
  },
  examples: [
    ["busbar rekey", "after a new key was put first in ./busbar.yaml"],
    ["busbar rekey --status", "may the old key go?"],
  ],
  async run({ positionals: [given], options: { status, json } }) {
    const file = await findConfig(given);
    const { instances } = await readConfig(file);
    const section = instances.find(({ plugin }) => plugin.name === storageSqlite.name);
    const config = section?.config as RekeyPlan | undefined;
    if (config?.encryption === undefined) throw new Failure(78, [`busbar: ${oneLine(file)} has no ${storageSqlite.name} section with encryption: there is no key to encrypt with`]);
    const journal = resolve(config.file);
    if (!existsSync(journal)) throw new Failure(74, [`busbar: Cannot read "${oneLine(journal)}": there is no such file`]);
    let said = Date.now();
    const report = await rekeyStorage({ ...config, file: journal }, {
      path: (name) => resolve(name),
      countOnly: status,
      onProgress({ upTo, last, changed }) {
        if (Date.now() - said < progressEvery) return;
        said = Date.now();
        complain(`up to offset ${upTo} of ${last}, ${changed} messages encrypted`);
      },
    });
    const current = config.encryption.keys[0]!.id;
    print(json ? JSON.stringify({ key: current, ...report }) : formatReport(report, { current, status }));
    return !status && report.damaged + report.locked + report.retainedLeft > 0 ? 65 : 0;
  },
});

function formatReport(report: RekeyReport, { current, status }: { readonly current: string; readonly status: boolean }): string {
  const { changed, damaged, locked, retainedLeft, counts, before, aside } = report;
  const lines: string[] = [];
  if (status) {
    if (changed > 0) lines.push(`${messages(changed)} in plain text, or without a field that is sensitive now`);
  } else lines.push(`${messages(changed)} encrypted with ${current}; the files were made anew`);
  for (const key of new Set([current, ...Object.keys(counts), ...Object.keys(before)])) lines.push(`${key}: ${messages(counts[key] ?? 0)}${key === current ? "" : (counts[key] ?? 0) === 0 ? ", may go" : ""}`);
  if (damaged > 0) lines.push(`${messages(damaged)} damaged and left as they are`);
  if (locked + retainedLeft > 0) lines.push(`${messages(locked)} and ${retainedLeft} retained values left as they are: damaged, or their key is not in the config`);
  for (const name of aside) lines.push(`note: ${oneLine(name)} was set aside as damaged and may hold sensitive fields in plain text or under an old key: delete it when it is not needed`);
  return lines.join("\n");
}

const messages = (count: number): string => `${count} message${count === 1 ? "" : "s"}`;
