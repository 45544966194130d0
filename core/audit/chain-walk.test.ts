import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { AuditEntry } from "../audit.ts";
import { formatChainLine, noHash, parseChainRecord, type Digest } from "./chain-line.ts";
import { ChainWalk, type ChainFinding, type ChainHead } from "./chain-walk.ts";

const plain: Digest = (text) => createHash("sha256").update(text, "latin1").digest("base64url");
const keyed = (key: string): Digest => (text) => createHmac("sha256", key).update(text, "latin1").digest("base64url");
const digests = new Map<string, Digest>([["none", plain], ["k1", keyed("one")], ["k2", keyed("two")]]);

const entry = (action: string, fields: AuditEntry["fields"] = {}): AuditEntry => ({ time: 1_790_000_000_000, action, source: "gateway", fields });
const header = (key = "k1") => entry("audit-file", { version: 1, key });

/** The lines of a log; `audit-key` entries change the key. */
function chain(entries: readonly AuditEntry[], { key = "k1", seq = 0, prev = noHash } = {}): { readonly lines: string[]; readonly heads: ChainHead[] } {
  const lines: string[] = [];
  const heads: ChainHead[] = [];
  for (const one of entries) {
    const { line, hash } = formatChainLine(one, { seq: ++seq, prev }, digests.get(key)!);
    prev = hash;
    lines.push(line.slice(0, -1));
    heads.push({ seq, hash, of: "the test" });
    if (one.action === "audit-key") key = String(one.fields["key"]);
  }
  return { lines, heads };
}

function walk(files: readonly (readonly string[])[], { heads = [], seqs = [1], known = digests, expectKey = true }: { readonly heads?: readonly ChainHead[]; readonly seqs?: readonly number[]; readonly known?: ReadonlyMap<string, Digest>; readonly expectKey?: boolean } = {}): readonly ChainFinding[] {
  const one = new ChainWalk({ digests: known, keyed: expectKey, heads });
  files.forEach((lines, at) => {
    one.file(`file-${at}`, seqs[at]!);
    for (const line of lines) one.line(line);
  });
  return one.end();
}

const sample = () => chain([header(), entry("login", { id: "d-1", remote: "192.0.2.1" }), entry("command", { from: "app", to: "d-1", msgid: "a" }), entry("refused", { reason: 'a "quoted"\nline' }), entry("stopped")]);

describe("formatChainLine()", () => {
  it("gives one line of printable ASCII with each key once, and reads back the same", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/), fc.oneof(fc.string({ unit: "binary" }), fc.integer(), fc.boolean(), fc.array(fc.string({ unit: "grapheme" })))), (fields) => {
        for (const key of ["seq", "time", "action", "source", "prev", "hash"]) delete fields[key];
        const { line, hash } = formatChainLine({ ...entry("login"), fields }, { seq: 7, prev: noHash }, plain);
        assert.match(line, /^[\x20-\x7e]*\n$/);
        const record = parseChainRecord(line.slice(0, -1));
        assert.deepEqual(record, { seq: 7, ...entry("login"), fields: { ...fields }, prev: noHash, hash });
      }),
      { numRuns: 300 },
    );
  });

  it("writes lone surrogates, line separators and terminal escapes as text", () => {
    const { line } = formatChainLine(entry("refused", { reason: "\ud800 \u2028 \u2029 \u001b[31m \u202e \u0085 \u007f \r\n" }), { seq: 1, prev: noHash }, plain);
    assert.match(line, /"\\ud800 \\u2028 \\u2029 \\u001b\[31m \\u202e \\u0085 \\u007f \\r\\n"/);
  });
});

describe("ChainWalk", () => {
  it("finds nothing in a log that is as it was written, over files, and with heads", () => {
    const { lines, heads } = chain([header(), entry("login"), header(), entry("login"), entry("login")]);
    assert.deepEqual(walk([lines.slice(0, 2), lines.slice(2)], { seqs: [1, 3], heads }), []);
  });

  it("finds every edit of every byte", () => {
    const { lines } = sample();
    let tried = 0;
    for (const [at, line] of lines.entries()) {
      for (let byte = 0; byte < line.length; byte++) {
        for (const put of new Set(["0", " ", '"', "\\", "\u00e9", "", String.fromCharCode(line.charCodeAt(byte) ^ 1), line[byte]!.toUpperCase(), line[byte]! + line[byte]!])) {
          const edited = line.slice(0, byte) + put + line.slice(byte + 1);
          if (edited === line) continue;
          tried++;
          const [first] = walk([lines.with(at, edited)]);
          assert.ok(first, `line ${at}, byte ${byte}, ${JSON.stringify(put)}`);
          assert.equal(first.line, at + 1);
        }
      }
    }
    assert.ok(tried > 5000);
  });

  it("finds every line that is removed, doubled or swapped, and every end that is cut off, given the head", () => {
    const { lines, heads } = sample();
    const head = [heads.at(-1)!];
    for (let at = 0; at < lines.length; at++) {
      assert.ok(walk([lines.toSpliced(at, 1)], { heads: head }).length > 0, `removed ${at}`);
      assert.ok(walk([lines.toSpliced(at, 0, lines[at]!)], { heads: head }).length > 0, `doubled ${at}`);
      assert.ok(walk([[...lines, lines[at]!]], { heads: head }).length > 0, `repeated at the end ${at}`);
      for (let other = at + 1; other < lines.length; other++) assert.ok(walk([lines.with(at, lines[other]!).with(other, lines[at]!)], { heads: head }).length > 0, `swapped ${at} ${other}`);
      assert.deepEqual(walk([lines.slice(0, at)], { heads: head }).map(({ what }) => what), ["truncated"]);
    }
  });

  it("names what is wrong", () => {
    const { lines, heads } = sample();
    const first = (...args: Parameters<typeof walk>) => walk(...args)[0];
    assert.deepEqual(first([lines.with(2, lines[2]!.replace("d-1", "d-2"))]), { file: "file-0", line: 3, what: "edited", text: "entry 3 is not as it was written, or was written by somebody without the key" });
    assert.deepEqual(first([lines.toSpliced(2, 2)]), { file: "file-0", line: 3, what: "missing", text: "entries 3 to 4 are missing" });
    assert.deepEqual(first([lines.toSpliced(3, 0, lines[2]!)]), { file: "file-0", line: 4, what: "reordered", text: "entry 3 stands after entry 3: doubled, or out of order" });
    assert.deepEqual(first([lines.slice(0, 3)], { heads: [heads[4]!] }), { file: "file-0", line: 3, what: "truncated", text: "the log ends with entry 3, but the test knows entry 5" });
    assert.equal(first([chain([header(), entry("login", { id: "other" })]).lines], { heads: [heads[1]!] })?.what, "foreign");
    assert.equal(first([lines.slice(1)], { seqs: [2] })?.what, "missing");
  });

  it("is not deceived by a log that was written anew without the key", () => {
    const forged = [header("none"), entry("login", { id: "nobody" })];
    assert.deepEqual(walk([chain(forged, { key: "none" }).lines]).map(({ what }) => what), ["foreign"]);
    const { lines } = chain([header(), entry("login")], { key: "none" });
    assert.equal(walk([lines])[0]?.what, "edited");
    // A switch to no key that nobody with the key has said.
    const own = chain([header(), entry("login")]);
    const rest = chain([header("none"), entry("login")], { key: "none", seq: 2, prev: own.heads[1]!.hash });
    assert.equal(walk([own.lines, rest.lines], { seqs: [1, 3] })[0]?.what, "foreign");
    const said = chain([entry("audit-key", { key: "none", was: "k1" }), entry("login")], { key: "none", seq: 2, prev: own.heads[1]!.hash });
    assert.equal(walk([[...own.lines, ...said.lines]])[0]?.what, "edited");
  });

  it("follows a change of the key that the former key says, needs both, and knows a log that once had none", () => {
    const { lines } = chain([header("none"), entry("login"), entry("audit-key", { key: "k1", was: "none" }), entry("login"), entry("audit-key", { key: "k2", was: "k1" }), entry("login")], { key: "none" });
    assert.deepEqual(walk([lines]), []);
    assert.deepEqual(walk([lines], { known: new Map([...digests].filter(([name]) => name !== "k1")) })[0]?.what, "foreign");
  });

  it("tells retention from a gap", () => {
    const all = chain([header(), entry("login"), header(), entry("login"), entry("audit-removed", { first: 1, last: 2, lastHash: "" })]);
    const removed = entry("audit-removed", { first: 1, last: 2, lastHash: all.heads[1]!.hash });
    const start = chain([header(), entry("login")]);
    const rest = chain([header(), removed], { seq: 2, prev: start.heads[1]!.hash });
    assert.deepEqual(walk([rest.lines], { seqs: [3] }), []);
    assert.equal(walk([rest.lines.slice(0, 1)], { seqs: [3] })[0]?.text, "entries 1 to 2 are missing, and no entry says that retention removed them");
    const wrong = chain([header(), entry("audit-removed", { first: 1, last: 1, lastHash: start.heads[1]!.hash })], { seq: 2, prev: start.heads[1]!.hash });
    assert.equal(walk([wrong.lines], { seqs: [3] }).length, 1);
    // Killed while it removed: it was to remove more than it did.
    const half = chain([header(), entry("login"), header(), entry("audit-removed", { first: 1, last: 4, lastHash: "" })], { seq: 2, prev: start.heads[1]!.hash });
    assert.deepEqual(walk([half.lines.slice(0, 2), half.lines.slice(2)], { seqs: [3, 5] }), []);
  });

  it("reports what the gateway noted, keeps 100 findings of a ruin, and counts what was lost", () => {
    const { lines } = chain([header(), entry("audit-damaged", { what: "torn", text: "12 bytes" }), entry("audit-damaged", { what: "truncated", text: "it ended early" }), entry("lost", { count: 7 })]);
    assert.deepEqual(walk([lines]).map(({ line, what }) => [line, what]), [[3, "truncated"]]);
    const one = new ChainWalk({ digests, keyed: true, heads: [] });
    one.file("f", 1);
    for (const line of lines) one.line(line);
    assert.equal(one.lost, 7);
    assert.equal(walk([Array.from({ length: 5000 }, () => "ruin")]).length, 100);
  });
});
