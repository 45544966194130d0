import assert from "node:assert/strict";
import { formatChainLine, noHash, parseChainLine, parseChainRecord } from "../../../core/audit/chain-line.ts";
import { journalMessage } from "@busbar/core/testkit";
import { Pack } from "../../../plugins/storage-sqlite/entry-codec.ts";
import { isEntry, splitBlocks, type Block } from "../../../plugins/storage-sqlite/block.ts";
import { readBlocks } from "../../../plugins/storage-sqlite/block-reader.ts";
import { entryTopic } from "../../../plugins/storage-sqlite/entry-layout.ts";
import { EntrySeal } from "../../../plugins/storage-sqlite/entry-seal.ts";
import { StorageFault } from "../../../plugins/storage-sqlite/storage-fault.ts";
import { lastKeyOfTree, rowsOfPage, rowsOfTree } from "../../../plugins/storage-sqlite/tree-reader.ts";
import { pageSize } from "../../../plugins/storage-sqlite/wal-reader.ts";
import { DatabaseSync } from "node:sqlite";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FuzzTarget } from "../engine/fuzz-target.ts";
import { textTarget } from "./texts.ts";

const epoch = "e".repeat(36);

function packed(): Buffer {
  const pack = new Pack(new ArrayBuffer(4096));
  for (let at = 0; at < 5; at++) pack.add(journalMessage({ type: at === 3 ? "command" : "status", from: `plc-${at}`, to: at === 3 ? "lamp" : "server", msgid: `m${at}`, qos: 1, retain: at === 2, payload: { at } }, 1000 + at));
  return Buffer.from(pack.buffer.slice(0, pack.length) as ArrayBuffer);
}

/** A block as it came back from a disk that is not to be trusted: what is not as it was written must be noticed, and nothing else may come of it. */
const blocks: FuzzTarget = {
  name: "journal-block",
  about: "a block of the journal from a damaged disk",
  seeds: [Uint8Array.from(packed())],
  open() {
    const [whole] = splitBlocks(packed(), 1, { epoch }) as [Block];
    const seal = new EntrySeal(undefined);
    return (bytes) => {
      const same = Buffer.compare(Buffer.from(whole.body), bytes) === 0;
      isEntry(Buffer.from(bytes), "status/plc-0");
      try {
        const page = readBlocks([{ ...whole, body: Buffer.from(bytes) }], { topics: undefined as never, after: 0, limit: 10 } as never, { epoch, oldest: 1, newest: whole.last, seal });
        assert.ok(same, "a block that is not as it was written was read");
        assert.ok(page !== undefined);
        return "read";
      } catch (error) {
        if (!(error instanceof StorageFault)) throw error;
        assert.ok(!same, "a block that is as it was written was not read");
        assert.equal(error.code, "DAMAGED");
        return "damaged";
      }
    };
  },
};

/** The entry at the beginning of bytes that a checksum stands for, so that only their length is in question. */
const entries: FuzzTarget = {
  name: "journal-entry",
  about: "bytes that should be an entry of the journal",
  seeds: [Uint8Array.from(packed())],
  open: () => (bytes) => {
    const buffer = Buffer.from(bytes);
    const whole = isEntry(buffer, "status/plc-0");
    if (whole) assert.equal(entryTopic(buffer, 0), "status/plc-0");
    return whole ? "entry" : "none";
  },
};

/** A database of some pages, overflow pages and an index among them, as SQLite writes it. */
function database(): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), "busbar-fuzz-"));
  try {
    const file = join(folder, "a.db");
    const db = new DatabaseSync(file);
    db.exec("CREATE TABLE a (id INTEGER PRIMARY KEY, name TEXT, body BLOB); CREATE TABLE b (name TEXT PRIMARY KEY, n REAL) WITHOUT ROWID");
    const insert = db.prepare("INSERT INTO a VALUES (?, ?, ?)");
    for (let at = 1; at < 60; at++) insert.run(at * 7, `name ${at}`, new Uint8Array(at % 9 === 0 ? 9000 : 50));
    for (let at = 0; at < 200; at++) db.prepare("INSERT INTO b VALUES (?, ?)").run(`key ${at}`, at / 3);
    db.close();
    return Uint8Array.from(readFileSync(file));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Salvage reads pages of a damaged file without SQLite. Its rows may be wrong, but it must come to an end, and never throw. */
const pages: FuzzTarget = {
  name: "sqlite-page",
  about: "the pages of a damaged database",
  seeds: [database()],
  maxLength: 64 * 1024,
  open: () => (bytes) => {
    const all = Buffer.alloc(Math.ceil(bytes.length / pageSize) * pageSize);
    all.set(bytes);
    const source = (number: number): Buffer | undefined => (number >= 1 && number * pageSize <= all.length ? all.subarray((number - 1) * pageSize, number * pageSize) : undefined);
    let rows = 0;
    for (let number = 1; number * pageSize <= all.length; number++) {
      for (const { values } of rowsOfPage(source, number)) rows += values.length > 0 ? 1 : 0;
      lastKeyOfTree(source, number);
    }
    for (const root of [2, 3]) for (const { values } of rowsOfTree(source, root)) rows += values.length > 0 ? 1 : 0;
    return `${Math.min(64, 2 ** Math.ceil(Math.log2(rows + 1)))} rows`;
  },
};

const auditLine = formatChainLine({ time: 1_700_000_000_000, action: "login", source: "gateway", fields: { id: "home-7", remote: "127.0.0.1", note: "é\u2028\u001b[31m" } }, { seq: 5, prev: noHash }, () => "B".repeat(43)).line.trimEnd();

const auditLines = textTarget("audit-line", "a line of the audit log that somebody may have edited", {
  seeds: [auditLine],
  words: ['"seq":', '"prev":"', '"hash":"', '"action":"', "}\n{", "\\u"],
  run(text) {
    const line = parseChainLine(text);
    const record = parseChainRecord(text);
    if (line) assert.ok(Number.isSafeInteger(line.seq) && Number.isSafeInteger(line.time) && text === `${line.body},"hash":"${line.hash}"}`, "the hash is of all that lies before it");
    else assert.equal(record, undefined);
    return `${line ? "line" : "none"} ${record ? "entry" : "none"}`;
  },
});

/** What is read back from a disk. */
export const diskTargets: readonly FuzzTarget[] = [blocks, entries, pages, auditLines];
