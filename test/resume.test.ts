import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createMessage, envelopeJson, envelopeProto, type CodecFactory } from "@busbar/core";
import { assertLedgerBalances, PeerDriver, testPlugin, type TestGateway } from "@busbar/core/testkit";
import http from "@busbar/http";
import storage from "@busbar/storage-sqlite";
import tcp from "@busbar/tcp-protobuf";
import websocket from "@busbar/websocket";
import { openPeer } from "./support/open-peer.ts";

/** A gateway on SQLite with both listeners. */
async function openGateway() {
  const cwd = await mkdtemp(join(tmpdir(), "busbar-resume-"));
  const gateway = await testPlugin(websocket, { rate: 0 }, { cwd, plugins: { http: [http, { port: 0 }], tcp: [tcp, { port: 0, rate: 0 }], storage: [storage, { file: "busbar.db" }] } });
  const urls = { "WebSocket in JSON": gateway.urls[0]!, "WebSocket in protobuf": gateway.urls[0]!, "TCP in protobuf": gateway.status("tcp").addresses[0]!.url };
  return {
    gateway, urls,
    async [Symbol.asyncDispose]() {
      assertLedgerBalances(gateway.kernel.gateway.metrics());
      await gateway.stop();
      await rm(cwd, { recursive: true, force: true });
    },
  };
}

/** A device that publishes at qos 1 over TCP, as fast as it is acknowledged, `window` at a time. */
async function publish(url: string, { from, to, window }: { readonly from: number; readonly to: number; readonly window: number }): Promise<void> {
  const peer = await openPeer(url, envelopeProto);
  const driver = new PeerDriver(peer, envelopeProto);
  driver.auth("source");
  await driver.next("auth_response");
  const codec = envelopeProto.create();
  let next = from;
  const send = (): void => peer.sendBytes(codec.encodeMessage(createMessage({ type: "status", msgid: String(next), timestamp: 1, payload: next++, qos: 1 }), undefined)!);
  while (next < to && next < from + window) send();
  for (let acknowledged = from; acknowledged < to; acknowledged++) {
    const frame = await driver.next();
    assert.equal(frame.type, "ack", JSON.stringify(frame));
    if (next < to) send();
  }
  driver.destroy();
}

/** What a subscriber has seen: that nothing is missing, doubled or out of order is checked as it comes. */
class Seen {
  last = -1;
  offset = 0;
  epoch: string | undefined;
  connections = 0;
  readonly #id: string;

  constructor(id: string) {
    this.#id = id;
  }

  /** Connects, resumes, and reads until it has seen the message `until`, or `count` messages. */
  async read(url: string, codec: CodecFactory, { until, count, qos }: { readonly until: number; readonly count: number; readonly qos: 0 | 1 }): Promise<void> {
    const driver = new PeerDriver(await openPeer(url, codec), codec);
    this.connections++;
    driver.auth(this.#id);
    driver.send({ kind: "subscribe", topic: "status/source", qos, since: this.offset, epoch: this.epoch });
    this.epoch = (await driver.next("subscribed"))["epoch"] as string;
    for (let left = count; left > 0 && this.last < until; left--) {
      const frame = await driver.next();
      assert.deepEqual([frame.type, frame["payload"]], ["status", this.last + 1], `after offset ${this.offset}`);
      const offset = frame["offset"] as number;
      assert.ok(offset > this.offset, `${offset} after ${this.offset}`);
      this.offset = offset;
      this.last++;
      if (qos > 0) driver.send({ kind: "ack", msgid: frame["msgid"] as string, offset });
    }
    driver.destroy();
  }
}

const last = ({ kernel }: TestGateway): number => Number(/^busbar_messages_total\{fate="stored"\} (\d+)/m.exec(kernel.gateway.metrics())![1]);

for (const [name, codec] of [["WebSocket in JSON", envelopeJson], ["WebSocket in protobuf", envelopeProto], ["TCP in protobuf", envelopeProto]] as const) {
  test(`a subscriber over ${name} that leaves and resumes at random misses nothing and sees nothing twice while messages are stored as fast as they can be`, async (context) => {
    await using subject = await openGateway();
    const { gateway, urls } = subject;
    const total = 40_000;
    const began = performance.now();
    let rate = 0;
    const publishing = publish(urls["TCP in protobuf"], { from: 0, to: total, window: 2000 }).then(() => (rate = (total / (performance.now() - began)) * 1000));
    const reading = ([0, 1] as const).map(async (qos) => {
      const seen = new Seen(`app-${qos}`);
      while (seen.last < total - 1) await seen.read(urls[name], codec, { until: total - 1, count: Math.ceil(Math.random() * 4000), qos });
      return seen;
    });
    const [, ...seen] = await Promise.all([publishing, ...reading]);
    for (const one of seen as Seen[]) assert.ok(one.connections > 5, `${one.connections} connections`);
    context.diagnostic(`${Math.round(rate)} messages a second were stored meanwhile, ${(seen as Seen[]).map(({ connections }) => connections).join(" and ")} connections`);
    assert.ok(last(gateway) >= total);
  });
}

test("a subscriber that was away for 200,000 messages catches up while more of them come, and is live then", async (context) => {
  await using subject = await openGateway();
  const { gateway, urls } = subject;
  const away = 200_000;
  const more = 20_000;
  // They came while it was away: how they got there does not matter here.
  for (let n = 0; n < away; n += 5000) await Promise.all(Array.from({ length: 5000 }, (_, at) => gateway.bus.deliver({ type: "status", from: "source", msgid: String(n + at), payload: n + at })));
  const seen = new Seen("app");
  const began = performance.now();
  const publishing = publish(urls["TCP in protobuf"], { from: away, to: away + more, window: 200 });
  await seen.read(urls["WebSocket in JSON"], envelopeJson, { until: away + more - 1, count: Number.POSITIVE_INFINITY, qos: 0 });
  await publishing;
  context.diagnostic(`${Math.round(((away + more) / (performance.now() - began)) * 1000)} messages a second were caught up with`);
  const live = seen.read(urls["TCP in protobuf"], envelopeProto, { until: away + more, count: 1, qos: 1 });
  await gateway.bus.deliver({ type: "status", from: "source", payload: away + more });
  await live;
});
