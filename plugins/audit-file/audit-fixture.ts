import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AuditLogPort, AuditPort, definePlugin, parseChainRecord, type Audit, type AuditLog, type AuditRecord } from "@busbar/core";
import { testPlugin, type TestGateway, type TestPluginOptions } from "@busbar/core/testkit";
import * as v from "valibot";
import { listLogFiles, readLines } from "./log-files.ts";
import { openKeyRing } from "./key-ring.ts";
import { auditFile } from "./plugin.ts";
import { verifyLog, type Verdict } from "./verify-log.ts";

/** A folder for a log, and what a test wants to know of it; gone at the end. */
export interface AuditFolder {
  readonly cwd: string;
  readonly folder: string;
  /** Starts a gateway that keeps its log here. */
  start(config?: object, options?: TestPluginOptions): Promise<AuditGateway>;
  /** Checks the log with the keys and the head that are here. */
  verify(): Promise<Verdict>;
  /** The files' names, and the text of one. */
  names(): readonly string[];
  text(name: string): string;
  /** Every entry. */
  records(): Promise<readonly AuditRecord[]>;
}

/** A gateway with an audit log. */
export interface AuditGateway extends TestGateway {
  readonly audit: Audit;
  readonly auditLog: AuditLog;
}

/** Makes a folder for a log. */
export function auditFolder(context: { after(cleanup: () => void): void }, at?: string): AuditFolder {
  const cwd = at ?? mkdtempSync(join(tmpdir(), "busbar-audit-"));
  if (at === undefined) context.after(() => rmSync(cwd, { recursive: true, force: true }));
  const folder = join(cwd, "data/audit");
  return {
    cwd,
    folder,
    async start(config = {}, options = {}) {
      let parts: { readonly audit: Audit; readonly auditLog: AuditLog } | undefined;
      const writer = definePlugin({ name: "writer", description: "Writes to the audit log", config: v.strictObject({}), needs: { audit: AuditPort, auditLog: AuditLogPort }, setup: ({ needs }) => void (parts = needs) });
      const gateway = await testPlugin(auditFile, { syncInterval: 10, ...config }, { cwd, ...options, plugins: { writer: [writer, {}], ...options.plugins } });
      return { ...gateway, ...parts!, [Symbol.asyncDispose]: () => gateway.stop() };
    },
    verify: async () => verifyLog(folder, { ring: (await openKeyRing(join(cwd, "data/audit.key"))).ring, headFile: join(cwd, "data/audit.head") }),
    names: () => readdirSync(folder).sort(),
    text: (name) => readFileSync(join(folder, name), "latin1"),
    async records() {
      const records: AuditRecord[] = [];
      for (const { path } of await listLogFiles(folder)) for await (const { lines } of readLines(path)) records.push(...lines.map((line) => parseChainRecord(line)!));
      return records;
    },
  };
}
