import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { formatChainLine, noHash, parseChainRecord } from "@busbar/core";
import { until } from "@busbar/core/testkit";
import { envelopeFrame } from "./target/device-frames.ts";
import { attackSuite } from "./target/attack-suite.ts";
import { sumOf } from "./target/assert-unharmed.ts";
import { sessionTransports, type AttackTarget } from "./target/attack-target.ts";
import { auditSection, stealLog, type StolenLog } from "./target/stolen-log.ts";

const found = async (log: StolenLog): Promise<readonly string[]> => (await log.verify()).findings.map(({ what }) => what);
const sha256 = (text: string): string => createHash("sha256").update(text, "latin1").digest("base64url");

/** Is let in and refused now and then, so that there is something to hide. */
async function leaveTraces(target: AttackTarget): Promise<void> {
  const peer = await target.login("tcp", target.token("burglar"), "burglar");
  for (let n = 0; n < 5; n++) {
    peer.publish({ type: "status", from: "somebody-else", msgid: `trace-${n}`, payload: {} });
    assert.equal((await peer.next("error"))["code"], "FORBIDDEN");
  }
}

const traced = (text: string): boolean => (text.match(/"action":"refused".*"id":"burglar"/g) ?? []).length >= 5;

async function stolen(target: AttackTarget): Promise<StolenLog> {
  await leaveTraces(target);
  return await stealLog(target, traced);
}

attackSuite("the audit log", (attack) => {
  attack("edits an entry of the log so that another is to blame: its hash is that of the former text", async (target) => {
    using log = await stolen(target);
    const at = log.lines.findLastIndex((line) => line.includes('"id":"burglar"'));
    log.write(log.lines.with(at, log.lines[at]!.replace('"id":"burglar"', '"id":"gardener"')));
    const { findings } = await log.verify();
    assert.deepEqual(findings.map(({ line, what }) => [line, what]), [[at + 1, "edited"]]);
  });

  attack("changes an entry and its hash, to that of the new text: the hash wants a key", async (target) => {
    using log = await stolen(target);
    const at = log.lines.findLastIndex((line) => line.includes('"id":"burglar"'));
    const record = parseChainRecord(log.lines[at]!.trimEnd())!;
    log.write(log.lines.with(at, formatChainLine({ ...record, fields: { ...record.fields, id: "gardener" } }, record, sha256).line));
    assert.equal((await found(log))[0], "edited");
  });

  attack("takes an entry out: the next one follows on it", async (target) => {
    using log = await stolen(target);
    const at = log.lines.findLastIndex((line) => line.includes('"id":"burglar"')) - 1;
    log.write(log.lines.toSpliced(at, 1));
    const { findings } = await log.verify();
    assert.deepEqual([findings[0]?.what, findings[0]?.line], ["missing", at + 1]);
  });

  attack("swaps two entries, says one twice: each names the one before it", async (target) => {
    using log = await stolen(target);
    const last = log.lines.length - 1;
    log.write(log.lines.with(last, log.lines[last - 1]!).with(last - 1, log.lines[last]!));
    assert.ok((await found(log)).length > 0);
    log.write([...log.lines, log.lines[last]!]);
    assert.equal((await found(log))[0], "reordered");
  });

  attack("cuts off the end at the end of a line: the head file knows how far it went", async (target) => {
    using log = await stolen(target);
    for (const kept of [log.lines.length - 1, 2, 1]) {
      log.write(log.lines.slice(0, kept));
      assert.deepEqual(await found(log), ["truncated"], `${kept} lines are left`);
    }
  });

  attack("cuts off the end and writes a head that fits: a head wants the key, too", async (target) => {
    using log = await stolen(target);
    const { seq, hash } = parseChainRecord(log.lines[2]!.trimEnd())!;
    const head = JSON.parse(log.head) as object;
    for (const forged of [{ ...head, seq, hash }, { seq, hash, key: "none", mac: sha256(`busbar audit head\n${seq}\n${hash}`) }]) {
      log.write(log.lines.slice(0, 3), JSON.stringify(forged));
      assert.ok((await found(log)).length > 0);
    }
  });

  attack("writes the whole log anew, with all hashes, without the key: a log with a key does not end without one", async (target) => {
    using log = await stolen(target);
    for (const key of ["none", parseChainRecord(log.lines[0]!.trimEnd())!.fields["key"]]) {
      let prev = noHash;
      const lines = log.lines.filter((line) => !line.includes("burglar")).map((text, at) => {
        const record = parseChainRecord(text.trimEnd())!;
        const { line, hash } = formatChainLine(at === 0 ? { ...record, fields: { ...record.fields, key } } : record, { seq: at + 1, prev }, sha256);
        prev = hash;
        return line;
      });
      log.write(lines, JSON.stringify({ seq: lines.length, hash: prev, key: "none", mac: sha256(`busbar audit head\n${lines.length}\n${prev}`) }));
      assert.ok((await found(log)).length > 0, String(key));
    }
  });

  attack("puts back an older copy of the log: the head is newer; of the head as well: an entry that was noted elsewhere is", async (target) => {
    using older = await stealLog(target);
    await target.login("tcp", target.token("late-burglar"), "late-burglar");
    using log = await stealLog(target, (text) => text.includes('"id":"late-burglar"'));
    const { seq, hash } = parseChainRecord(log.lines.at(-1)!.trimEnd())!;
    const noted = [{ seq, hash, of: "the note" }];
    assert.deepEqual((await log.verify(noted)).findings, [], "the true log has it");
    log.write(older.lines);
    assert.deepEqual(await found(log), ["truncated"]);
    log.write(older.lines, older.head);
    assert.deepEqual(await found(log), [], "nothing on this machine tells, as docs/009-audit-log.md says");
    assert.deepEqual((await log.verify(noted)).findings.map(({ what }) => what), ["truncated"]);
  });

  attack("appends an entry that he made up: it wants the key", async (target) => {
    using log = await stolen(target);
    const { seq, hash } = parseChainRecord(log.lines.at(-1)!.trimEnd())!;
    const { line } = formatChainLine({ time: Date.now(), action: "login", source: "gateway", fields: { id: "gardener" } }, { seq: seq + 1, prev: hash }, sha256);
    log.write([...log.lines, line]);
    assert.deepEqual(await found(log), ["edited"]);
    log.write([...log.lines, line.trimEnd()]);
    assert.equal((await found(log)).at(-1), "torn");
  });

  for (const transport of sessionTransports) {
    attack(`line feeds, escapes, separators and half characters in ids and topics over ${transport}, to forge lines of the log: an entry is one line of ASCII`, async (target) => {
      const evil = `x\n{"seq":1,"action":"login"}\r\n\u001b[2J\u2028\u2029\u0085\u202e\u0000${transport === "ws" ? "\ud800" : ""}"`;
      const peer = await target.login(transport, target.token("injector"), "injector");
      const say = (fields: { readonly from: string; readonly to?: string; readonly msgid: string }): void =>
        transport === "ws" ? peer.publish({ type: "status", payload: {}, ...fields }) : peer.sendBytes(envelopeFrame({ type: "status", json: "{}", ...fields }));
      say({ from: evil, msgid: "i-1" });
      say({ from: "injector", to: evil, msgid: "i-2" });
      peer.send({ kind: "subscribe", topic: `status/${evil}`, qos: 0 });
      say({ from: "somebody-else", msgid: evil.slice(0, 20) });
      const stranger = await target.session(transport);
      stranger.auth("no token", evil);
      await stranger.end();
      using log = await stealLog(target, (text) => text.includes('"action":"login-failed"'));
      for (const line of log.lines) assert.match(line, /^\{[\x20-\x7e]*\}\n$/);
    });
  }

  attack("a flood of forbidden messages and failed logins, to fill the disk or to bury an entry: they are summed up", async (target) => {
    const before = sumOf(await target.metrics(), "busbar_audit_entries_total");
    const peer = await target.login("tcp", target.token("flood"), "flood");
    const count = 20_000;
    let answers = 0;
    for (let sent = 0; sent < count; sent += 500) {
      for (let n = 0; n < 500; n++) peer.publish({ type: "status", from: `other-${sent + n}`, msgid: `f-${sent + n}`, payload: {} });
      for (; answers < sent + 500; answers++) await peer.next("error");
    }
    for (let n = 0; n < 30; n++) assert.equal((await target.http({ path: "/api/plugins", token: `forged-${n}` })).status, 401);
    const metrics = await target.metrics();
    assert.ok(sumOf(metrics, "busbar_audit_entries_total") - before < 500, "entries");
    assert.ok(sumOf(metrics, "busbar_audit_summed_total") > count * 0.9, "summed up");
    assert.equal(sumOf(metrics, "busbar_audit_lost_total"), 0);
    using log = await stealLog(target, (text) => sumOfCounts(text, "flood") >= count - 200);
    assert.ok(log.lines.length < 2000);
  });

  attack("a secret where the id belongs, and in a login that fails: the log has neither", async (target) => {
    const secret = target.secrets.keep("a secret in the wrong place", "correct horse battery staple 1!");
    const token = target.secrets.keepToken("a token that has expired", target.token("late", { exp: 1 }));
    for (const transport of sessionTransports) {
      const peer = await target.session(transport);
      peer.auth(token, secret);
      await peer.end();
    }
    await target.http({ path: "/api/plugins", token });
    await target.http({ path: `/api/messages?topic=${token}`, token });
    using log = await stealLog(target, (text) => text.includes('"claimed":"no id"'));
    assert.deepEqual(target.secrets.foundIn(log.lines.join("")), []);
  });

  for (const transport of sessionTransports) {
    attack(`a message on audit/gateway over ${transport}, with the right to publish everything: only the gateway itself says "audit"`, async (target) => {
      const peer = await target.login(transport, target.admin("forger"), "forger");
      for (const from of ["forger", "gateway", "audit-file"]) {
        peer.publish({ type: "audit", from, msgid: `a-${from}`, qos: 1, payload: { action: "audit-removed", first: 1, last: 10 } });
        assert.equal((await peer.next("error"))["code"], "FORBIDDEN", from);
      }
      using log = await stealLog(target);
      assert.ok(!log.lines.some((line) => line.includes("audit-removed")));
    });
  }

  attack("reads the log without the right to, over HTTP and as a subscriber: it names who logs in", async (target) => {
    const token = target.token("nosy");
    assert.equal((await target.http({ path: "/api/audit", token })).status, 403);
    const peer = await target.login("ws", token, "nosy");
    for (const topic of ["audit/#", "#", "+/gateway", "audit/gateway"]) {
      peer.send({ kind: "subscribe", topic, qos: 0, since: 0 });
      assert.equal((await peer.next("error"))["code"], "FORBIDDEN", topic);
    }
    assert.equal((await target.http({ path: "/api/audit?limit=5", token: target.admin() })).status, 200);
    await until("his attempts are in it", async () => (await target.http({ path: "/api/audit?limit=10000", token: target.admin() })).body.includes('"nosy"'));
  });
}, { plugins: { "audit-file": auditSection } });

/** How many refusals of that id the log has, with those that it has as a count. */
function sumOfCounts(text: string, id: string): number {
  const records = text.split("\n").map((line) => parseChainRecord(line)).filter((record) => record !== undefined);
  return records.reduce((sum, { action, fields }) => (action === "refused" && fields["id"] === id ? sum + Number(fields["count"] ?? 1) : sum), 0);
}
