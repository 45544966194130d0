/**
 * SQLite storage: provides the durable journal behind the bus and the store of what was said (history, series, devices). One thread owns two
 * files, so neither an fsync nor a query ever holds up the event loop: `<file>` is the journal, `<file>-series` the values of tags.
 *
 * @module
 */
export { storageSqlite, storageSqlite as default } from "./storage-sqlite.ts";
export { config } from "./config.ts";
export { openJournalCopy, type JournalCopy } from "./journal-copy.ts";
export { rekeyStorage, type RekeyOptions, type RekeyPlan, type RekeyReport } from "./rekey-storage.ts";
