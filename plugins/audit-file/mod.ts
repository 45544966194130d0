/**
 * The audit log: entries of who did what, each with the hash of the one before, in files that are only ever appended to. The plugin `audit-file` writes them beside the data path, which never waits for it; `verifyLog` finds any
 * edit, gap or truncation; `readLog` pages through them. See docs/009-audit-log.md.
 *
 * @module
 */
export { configSchema, type AuditFileConfig } from "./config.ts";
export { createKeyRing, openKeyRing, plainRing, readKeyRing, rotateKey, type KeyRing } from "./key-ring.ts";
export { listLogFiles, readLines, type LinePage, type LogFile } from "./log-files.ts";
export { auditFile, auditFile as default } from "./plugin.ts";
export { readLog } from "./read-log.ts";
export { verifyLog, type Verdict, type VerifyOptions } from "./verify-log.ts";
