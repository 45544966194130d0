import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { BusbarError } from "@busbar/core";
import { EnvelopeSchema } from "@busbar/core/proto/gen/busbar/v1/envelope_pb.ts";
import { assertLedgerBalances, fakeClock, refusingJournal, testPlugin, until } from "@busbar/core/testkit";
import { tcpProtobuf } from "@busbar/tcp-protobuf";
import { TcpPeer } from "../plugins/tcp-protobuf/testing/tcp-peer.ts";
import { openListener } from "../plugins/websocket/testing/listener.ts";

const full = new BusbarError("OVERLOAD", "Cannot append to the journal: the disk is full");

describe("a journal that is full", () => {
  it("refuses and pauses who publishes at qos 1, keeps qos 0 going, says so in /readyz and over HTTP, and recovers by itself", async () => {
    const clock = fakeClock();
    const disk = refusingJournal();
    await using listener = await openListener({ ping: "30s", idleTimeout: "90s" }, { clock, plugins: { journal: [disk.plugin, {}] } });
    const { gateway, port } = listener;
    const ledger = (settled = false) => assertLedgerBalances(gateway.kernel.gateway.metrics(), { settled })["messages"]!;
    const api = (path: string, body?: object) => fetch(`http://127.0.0.1:${port}${path}`, { ...(body && { method: "POST", body: JSON.stringify(body) }), headers: { authorization: "Bearer app", "content-type": "application/json" } });
    const [source, meter, reader] = [await listener.connect("source"), await listener.connect("meter"), await listener.connect("reader")];
    await reader.subscribe("#");
    source.send({ type: "event", qos: 1, msgid: "before", payload: 0 });
    await source.next("ack");

    disk.refuseWith = full;
    source.send({ type: "event", qos: 1, msgid: "m0", payload: 0 });
    const refusal = await source.next("error");
    assert.deepEqual([refusal["code"], refusal["msgid"]], ["OVERLOAD", "m0"]);
    const { attempts } = disk;
    const received = gateway.metric('busbar_received_total{qos="1"}');
    for (let at = 1; at <= 20; at++) source.send({ type: "event", qos: 1, msgid: `m${at}`, payload: at });

    const notReady = await api("/readyz");
    assert.equal(notReady.status, 503);
    assert.deepEqual(((await notReady.json()) as { missing: string[] }).missing, [`the journal refuses messages: ${full.message}`]);
    const refused = await api("/api/messages", { type: "event", qos: 1, msgid: "h1", payload: 1 });
    assert.deepEqual([refused.status, refused.headers.get("retry-after"), ((await refused.json()) as { code: string }).code], [503, "1", "OVERLOAD"]);
    assert.deepEqual([gateway.metric("busbar_journal_refusing"), disk.attempts], [1, attempts], "the journal is not asked for what is refused at once");
    for (let minute = 0; minute < 5; minute++) {
      await clock.advance(60_000);
      meter.send({ type: "status", payload: minute });
      meter.send({ type: "level", retain: true, payload: minute });
      assert.equal((await reader.next("status"))["payload"], minute);
      assert.equal((await reader.next("level"))["payload"], minute);
      await reader.settled();
      ledger();
    }
    assert.equal(gateway.metric('busbar_received_total{qos="1"}'), received + 1, "only the one over HTTP: the source is not read");
    assert.equal(gateway.metric("busbar_sessions"), 3, "no heartbeat ends it meanwhile");
    assert.ok(disk.attempts - attempts < 5 * 60 / 2.5 + 20, `${disk.attempts - attempts} attempts in 5 minutes`);
    assert.equal((await disk.journal.retained()).filter(({ message }) => message.type === "level").length, 0);

    disk.refuseWith = undefined;
    await until("the journal takes messages again", () => gateway.metric("busbar_journal_refusing") === 0, { turn: () => clock.advance(50) });
    assert.equal((await api("/readyz")).status, 200);
    for (let at = 1; at <= 20; at++) assert.equal((await source.next("error"))["msgid"], `m${at}`, "nothing overtakes what was refused");
    for (let at = 0; at <= 20; at++) source.send({ type: "event", qos: 1, msgid: `m${at}`, payload: at });
    for (let at = 0; at <= 20; at++) assert.equal((await source.next("ack"))["msgid"], `m${at}`);
    await source.settled();
    assert.deepEqual((await disk.journal.retained()).filter(({ message }) => message.type === "level").map(({ message }) => message.payload), [4], "a retained value of qos 0 is stored after all, the last one of its topic");
    const { entries } = await disk.journal.read({ after: 0, limit: 1000 });
    assert.deepEqual(entries.filter(({ message }) => message.type === "event" && message.from === "source").map(({ message }) => message.msgid), ["before", ...Array.from({ length: 21 }, (_, at) => `m${at}`)]);
    const note = entries.map(({ message }) => message.payload as Record<string, unknown>).find((payload) => payload["action"] === "journal-refused")!;
    assert.deepEqual([note["code"], note["messages"], (note["ms"] as number) >= 300_000], ["OVERLOAD", 2, true]);
    await until("no message waits", () => gateway.metric("busbar_messages_waiting") === 0);
    const { settled } = ledger(true);
    assert.deepEqual([settled["refused OVERLOAD"], settled["dropped superseded"]], [2, 4]);
  });

  it("does not repeat deliveries to a peer whose acknowledgements it does not read, and never pauses one that only subscribes", async () => {
    const clock = fakeClock();
    const disk = refusingJournal();
    await using listener = await openListener({ redeliver: "10s" }, { clock, plugins: { journal: [disk.plugin, {}] } });
    const { bus } = listener.gateway;
    const [both, reader] = [await listener.connect("both"), await listener.connect("reader")];
    for (const client of [both, reader]) await client.subscribe("event/#", { qos: 1 });
    for (let at = 0; at < 3; at++) await bus.deliver({ type: "event", msgid: `e${at}`, payload: at });
    for (let at = 0; at < 3; at++) for (const client of [both, reader]) await client.next("event");
    disk.refuseWith = full;
    both.send({ type: "note", qos: 1, msgid: "n", payload: 1 });
    await both.next("error");
    for (const client of [both, reader]) for (let at = 0; at < 3; at++) client.send({ type: "ack", msgid: `e${at}` });
    await reader.settled();
    await clock.advance(60_000);
    assert.equal(both.frames.length, 0, "it has acknowledged, we have not read it");
    disk.refuseWith = undefined;
    await until("the journal takes messages again", () => listener.gateway.metric("busbar_journal_refusing") === 0, { turn: () => clock.advance(50) });
    await both.settled();
    await clock.advance(60_000);
    await both.settled();
    await reader.settled();
    assert.deepEqual([both.frames.length, reader.frames.length], [0, 0], "nothing was sent twice");
  });

  it("notices that a TCP peer has left whom it does not hear, and hears first what that said", async () => {
    const clock = fakeClock();
    const disk = refusingJournal();
    await using gateway = await testPlugin(tcpProtobuf, { port: 0, codec: "envelope" }, { clock, plugins: { journal: [disk.plugin, {}] } });
    const seen: unknown[] = [];
    gateway.bus.subscribe("event/d-1/presence", ({ payload }) => void seen.push((payload as { presence: string }).presence));
    gateway.bus.subscribe("status/d-1", ({ payload }) => void seen.push(payload));
    await using peer = await TcpPeer.connect(gateway.urls[0]!);
    peer.say({ case: "auth", value: { deviceId: "d-1", token: "d-1" } as never });
    assert.equal((await peer.hear()).case, "authResponse");
    disk.refuseWith = full;
    const envelope = (type: string, qos: number, json: string) => ({ case: "envelope" as const, value: create(EnvelopeSchema, { msgid: type, type, qos, timestamp: 1n, payload: { case: "json", value: json } }) });
    peer.say(envelope("event", 1, "1"));
    assert.equal((await peer.hear()).case, "error");
    peer.say(envelope("status", 0, '"last words"'));
    peer.socket.end();
    await until("no session is left", () => gateway.metric("busbar_sessions") === 0, { turn: () => clock.advance(50) });
    assert.deepEqual([seen, gateway.metric("busbar_journal_refusing")], [["online", "last words", "offline"], 1]);
  });

  it("excuses a TCP peer that it does not read from its idle and frame timeouts", async () => {
    const clock = fakeClock();
    const disk = refusingJournal();
    await using gateway = await testPlugin(tcpProtobuf, { port: 0, codec: "envelope", idleTimeout: "1m", frameTimeout: "10s" }, { clock, plugins: { journal: [disk.plugin, {}] } });
    await using peer = await TcpPeer.connect(gateway.urls[0]!);
    peer.say({ case: "auth", value: { deviceId: "d-1", token: "d-1" } as never });
    assert.equal((await peer.hear()).case, "authResponse");
    disk.refuseWith = full;
    const envelope = (msgid: string) => ({ case: "envelope" as const, value: create(EnvelopeSchema, { msgid, type: "event", qos: 1, timestamp: 1n, payload: { case: "json", value: "1" } }) });
    peer.socket.cork();
    peer.say(envelope("a"));
    peer.socket.write(Uint8Array.of(200)); // the beginning of a frame
    peer.socket.uncork();
    assert.equal((await peer.hear()).case, "error");
    for (let minute = 0; minute < 5; minute++) await clock.advance(60_000);
    assert.equal(gateway.metric("busbar_sessions"), 1);
    disk.refuseWith = undefined;
    await until("the journal takes messages again", () => gateway.metric("busbar_journal_refusing") === 0, { turn: () => clock.advance(50) });
    await until("no session is left", () => gateway.metric("busbar_sessions") === 0, { turn: () => clock.advance(50) }); // now the frame that never ends counts again
    await until("no message waits", () => gateway.metric("busbar_messages_waiting") === 0);
    assertLedgerBalances(gateway.kernel.gateway.metrics(), { settled: true });
  });
});
