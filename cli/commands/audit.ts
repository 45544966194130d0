import { resolve } from "node:path";
import { auditFile, listLogFiles, plainRing, readKeyRing, readLines, rotateKey, verifyLog, type AuditFileConfig, type KeyRing, type Verdict } from "@busbar/audit-file";
import { duration, parseChainLine, parseChainRecord, type ChainHead } from "@busbar/core";
import * as v from "valibot";
import { defineCommand } from "../command.ts";
import { findConfig, readConfig } from "../config-file.ts";
import { Failure, usageFailure } from "../failure.ts";
import { formatTable, oneLine, print } from "../terminal.ts";

/** Where a log is, and what it is checked with. */
interface Place {
  readonly folder: string;
  readonly keyFile: string | undefined;
  readonly headFile: string | undefined;
}

/** `busbar audit`: the audit log, with or without a running gateway. */
export default defineCommand({
  description: "Checks, prints or exports the audit log of a config, or of a folder, whether or not its gateway runs. verify ends with 65 and names each line that was edited, is missing, out of order or cut off.",
  positionals: ["verify|list|export|head|rotate-key", "folder?"],
  options: {
    config: { kind: "text", value: "file", text: "the config whose log it is (default busbar.yaml); not with a folder" },
    key: { kind: "text", value: "file", text: "the key file, with a folder; without it the log has to be plain SHA-256" },
    head: { kind: "text", value: "seq:hash", many: true, text: "verify: an entry that was noted elsewhere, as audit head prints it: the log must have it" },
    "head-file": { kind: "text", value: "file", text: "verify: the head file, with a folder" },
    since: { kind: "text", value: "time", text: "list, export: from that time on: 2026-11-21T08:00Z, or 2h for two hours ago" },
    until: { kind: "text", value: "time", text: "list, export: before that time" },
    action: { kind: "text", value: "action", many: true, text: "list, export: only such entries, such as login-failed" },
    id: { kind: "text", value: "id", many: true, text: "list, export: only entries that name that id, in whatever field" },
    json: { kind: "flag", text: "verify, head, list: as JSON" },
  },
  examples: [
    ["busbar audit verify", "whether anybody has changed the log of ./busbar.yaml"],
    ["busbar audit verify /mnt/backup/audit --key audit.key --head 4711:x3…", "a copy, with the key, against an entry noted elsewhere"],
    ["busbar audit head", "what to note elsewhere"],
    ["busbar audit export --since 7d --action refused > refused.jsonl", "entries as JSON lines"],
  ],
  async run({ positionals: [action = "", folder], options }) {
    if (folder !== undefined && options.config !== undefined) throw usageFailure("audit: --config or a folder, not both");
    if (folder === undefined && (options.key !== undefined || options["head-file"] !== undefined)) throw usageFailure("audit: --key and --head-file want a folder: a config names its own");
    if (!["verify", "list", "export", "head", "rotate-key"].includes(action)) throw usageFailure(`audit: "${oneLine(action)}" must be verify, list, export, head or rotate-key`);
    const heads = options.head.map(parseHead);
    const wanted = filterOf(options);
    const place = folder === undefined ? await placeOf(options.config) : { folder: resolve(folder), keyFile: options.key, headFile: options["head-file"] };
    if (action === "rotate-key") return await rotate(place);
    const files = await listLogFiles(place.folder);
    if (files.length === 0 && action !== "verify") throw new Failure(74, [`busbar: Cannot read the audit log: there is none in "${oneLine(place.folder)}"`]);
    if (action === "verify") return await verify(place, { heads, json: options.json });
    if (action === "head") return await printHead(files.map(({ path }) => path), options.json);
    for (const { path } of files) {
      for await (const { lines } of readLines(path)) {
        const found = lines.filter(wanted);
        if (found.length > 0) print(action === "export" || options.json ? found.join("\n") : formatTable(found.map(formatLine)));
      }
    }
    return 0;
  },
});

/** The log of a config. @throws {Failure} 78 when it has none. */
async function placeOf(given: string | undefined): Promise<Place> {
  const file = await findConfig(given);
  const { instances } = await readConfig(file);
  const section = instances.find(({ plugin }) => plugin.name === auditFile.name);
  if (section === undefined) throw new Failure(78, [`busbar: ${oneLine(file)} has no ${auditFile.name} section: it keeps no audit log`]);
  const { folder, keyFile, headFile } = section.config as AuditFileConfig;
  return { folder: resolve(folder), keyFile: keyFile === false ? undefined : resolve(keyFile), headFile: resolve(headFile) };
}

async function verify({ folder, keyFile, headFile }: Place, { heads, json }: { readonly heads: readonly ChainHead[]; readonly json: boolean }): Promise<number> {
  const ring: KeyRing = keyFile === undefined ? plainRing : await readKeyRing(keyFile);
  const verdict = await verifyLog(folder, { ring, headFile, heads });
  const { findings } = verdict;
  const nothing = verdict.files === 0 && findings.length === 0;
  if (json) print(JSON.stringify({ ok: findings.length === 0 && !nothing, ...verdict }));
  else print(nothing ? `there is no audit log in "${oneLine(folder)}"` : formatVerdict(verdict));
  return nothing ? 74 : findings.length === 0 ? 0 : 65;
}

function formatVerdict({ findings, files, entries, first, last, lost, keyed, notes }: Verdict): string {
  const lines = findings.map(({ file, line, what, text }) => oneLine(`${file}:${line}: ${what}: ${text}`));
  const span = first && last ? `entries ${first.seq} to ${last.seq}, ${new Date(first.time).toISOString()} to ${new Date(last.time).toISOString()}` : "no entry";
  lines.push(`${findings.length === 0 ? "nothing was changed" : "the log is not as it was written"}: ${span}, ${entries} in ${files} file${files === 1 ? "" : "s"}, ${keyed ? "HMAC-SHA-256" : "SHA-256 without a key"}`);
  if (lost > 0) lines.push(`${lost} entries could not be written when they came, as the log says itself`);
  if (last && findings.length === 0) lines.push(`head ${last.seq}:${last.hash}`);
  return [...lines, ...notes.map((note) => `note: ${oneLine(note)}`)].join("\n");
}

async function printHead(files: readonly string[], json: boolean): Promise<number> {
  for (const path of files.toReversed()) {
    let last: string | undefined;
    for await (const { lines } of readLines(path)) last = lines.at(-1) ?? last;
    const head = last === undefined ? undefined : parseChainLine(last);
    if (head === undefined) continue;
    print(json ? JSON.stringify({ seq: head.seq, hash: head.hash, time: head.time }) : `${head.seq}:${head.hash}`);
    return 0;
  }
  throw new Failure(65, ["busbar: Cannot read the head of the audit log: it ends with a line that is no entry; see busbar audit verify"]);
}

async function rotate({ keyFile }: Place): Promise<number> {
  if (keyFile === undefined) throw usageFailure("audit: there is no key to change: the log is plain SHA-256");
  const { current } = await rotateKey(keyFile);
  print(`the key is now ${current}; former ones stay in "${oneLine(keyFile)}", as verify needs them`);
  return 0;
}

function parseHead(text: string): ChainHead {
  const [, seq, hash] = /^(\d{1,15}):([\w-]{43})$/.exec(text) ?? [];
  if (seq === undefined || hash === undefined) throw usageFailure(`audit: --head "${oneLine(text)}" must be a number, a colon and 43 characters, as audit head prints them`);
  return { seq: Number(seq), hash, of: "--head" };
}

interface Filter {
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  readonly action: readonly string[];
  readonly id: readonly string[];
}

/** Says which lines are wanted. */
function filterOf({ since, until, action, id }: Filter): (line: string) => boolean {
  const [from, to] = [timeOf("since", since) ?? 0, timeOf("until", until) ?? Infinity];
  return (line) => {
    const record = parseChainRecord(line);
    if (record === undefined || record.time < from || record.time >= to || (action.length > 0 && !action.includes(record.action))) return false;
    return id.length === 0 || Object.values(record.fields).some((value) => typeof value === "string" && id.includes(value));
  };
}

function timeOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ago = v.safeParse(duration(), text);
  const time = ago.success ? Date.now() - ago.output : /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time)) throw usageFailure(`audit: --${name} "${oneLine(text)}" must be a time such as 2026-11-21T08:00Z, or a duration such as 2h for two hours ago`);
  return time;
}

function formatLine(line: string): readonly string[] {
  const { seq, time, action, source, fields } = parseChainRecord(line)!;
  const rest = Object.entries(fields).map(([key, value]) => `${key}=${typeof value === "string" && /^[\w.:@/-]+$/.test(value) ? value : JSON.stringify(value)}`).join(" ");
  return [String(seq), new Date(time).toISOString(), action, source, oneLine(rest)];
}
