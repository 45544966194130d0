import { parseChainLine, parseChainRecord, type AuditLog, type AuditQuery, type AuditRecord } from "@busbar/core";
import { firstLine, listLogFiles, readLines, type LogFile } from "./log-files.ts";

/** A page of a log, oldest first. Files in which nothing that is asked for can be are not read; lines that are none are passed by: `verify` is there to find them. */
export async function readLog(folder: string, { after = 0, since = 0, until = Infinity, limit }: AuditQuery): ReturnType<AuditLog["read"]> {
  const records: AuditRecord[] = [];
  for (const file of await filesFrom(folder, after, since)) {
    for await (const { lines } of readLines(file.path)) {
      for (const line of lines) {
        const place = parseChainLine(line);
        if (place === undefined || place.seq <= after || place.time < since || place.time >= until) continue;
        if (records.length >= limit) return { records, next: records.at(-1)!.seq };
        const record = parseChainRecord(line);
        if (record) records.push(record);
      }
    }
  }
  return { records };
}

/** The files from the first on that can hold an entry after `after` and of `since` or later. */
async function filesFrom(folder: string, after: number, since: number): Promise<readonly LogFile[]> {
  const files = await listLogFiles(folder);
  let from = Math.max(0, files.findLastIndex(({ seq }) => seq <= after + 1));
  for (; since > 0 && from < files.length - 1; from++) {
    const next = parseChainLine((await firstLine(files[from + 1]!.path)) ?? "");
    if (next === undefined || next.time >= since) break; // clocks go back at times, but not so that a file would be missed by more than that
  }
  return files.slice(from);
}
