import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import type { Server, Socket } from "node:net";
import { test } from "node:test";
import { createLog } from "../log.ts";
import { MetricsRegistry } from "../metrics.ts";
import { fakeClock } from "../testkit/fake-clock.ts";
import { addressBlock } from "./address.ts";
import { Door, type EntranceLimits } from "./door.ts";
import type { DoorSettings } from "./door-settings.ts";

/** A door whose connections come from wherever a test likes: what it sees of a server is its event alone. */
function open(settings: { readonly maxConnections?: number; readonly handshakes?: Partial<DoorSettings["handshakes"]> } = {}) {
  const clock = fakeClock();
  const metrics = new MetricsRegistry();
  const { handshakes = {}, maxConnections = 100 } = settings;
  const lines: string[] = [];
  const door = new Door({ settings: { maxConnections, handshakes: { rate: 0, burst: 1, addressRate: 0, addressBurst: 1, ...handshakes } }, clock, metrics, log: createLog({ clock, write: ({ message }) => void lines.push(message) }) });
  const listen = (limits: Partial<EntranceLimits> = {}) => {
    const server = new EventEmitter();
    door.guard(server as Server, { places: 100, perAddress: undefined, ...limits });
    return (remoteAddress: string | undefined): { readonly inside: boolean; leave(): void } => {
      const socket = Object.assign(new EventEmitter(), { remoteAddress, destroyed: false, destroy: () => void (socket.destroyed = true) });
      server.emit("connection", socket as unknown as Socket);
      return { get inside() { return !socket.destroyed; }, leave: () => void socket.emit("close") };
    };
  };
  const refused = (reason: string): number => metrics.counter("busbar_refused_total", "", { reason }).value;
  return { clock, listen, refused, lines };
}

test("a door closes who comes when its listener, or all of them together, have as many as they may", () => {
  const { listen, refused } = open({ maxConnections: 3 });
  const [tcp, http] = [listen({ places: 2 }), listen()];
  const first = tcp("10.0.0.1");
  assert.deepEqual([first.inside, tcp("10.0.0.2").inside, tcp("10.0.0.3").inside, refused("full")], [true, true, false, 1]);
  assert.deepEqual([http("10.0.0.4").inside, http("10.0.0.5").inside, refused("gateway full")], [true, false, 1]);
  first.leave();
  assert.equal(http("10.0.0.5").inside, true);
});

test("connections of one address are limited, an IPv6 network of 64 bits is one address, and this machine is none unless the config says so", () => {
  const { listen, refused } = open();
  const usual = listen({ usualPerAddress: 1 });
  assert.deepEqual(["2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:2::1", "::ffff:10.0.0.1", "10.0.0.1", "127.0.0.1", "127.0.0.1", "::1", "::1"].map((from) => usual(from).inside), [true, false, true, true, false, true, true, true, true]);
  assert.equal(refused("too many from one address"), 2);
  const strict = listen({ perAddress: 1 });
  assert.deepEqual([strict("127.0.0.1").inside, strict("127.0.0.1").inside], [true, false]);
});

test("connections are opened no faster than the rate once the burst is spent, each address by itself first", async () => {
  const { clock, listen, refused } = open({ handshakes: { rate: 10, burst: 5, addressRate: 1, addressBurst: 3 } });
  const enter = listen();
  const come = (from: string, times: number): number => Array.from({ length: times }, () => enter(from)).filter(({ inside }) => inside).length;
  assert.equal(come("10.0.0.1", 100), 3);
  assert.equal(refused("too many a second from one address"), 97, "which took nothing of what is everybody's");
  assert.deepEqual([come("10.0.0.2", 2), come("10.0.0.3", 1), refused("too many a second")], [2, 0, 1]);
  await clock.advance(1000);
  assert.deepEqual([come("10.0.0.1", 2), come("10.0.0.4", 3), come("10.0.0.5", 3)], [1, 3, 1], "one of the first address, five of all");
});

test("by default 10,000 devices come back at once, and one machine opens 2,000", async () => {
  const { defaultSettings } = await import("../config/settings.ts");
  const { listen } = open({ ...defaultSettings, handshakes: { addressRate: undefined, ...defaultSettings.handshakes } });
  const enter = listen({ places: 100_000 });
  const fleet = Array.from({ length: 10_000 }, (_, at) => enter(`10.1.${at >> 8}.${at & 255}`)).filter(({ inside }) => inside).length;
  const machine = listen({ places: 100_000, perAddress: 100_000 });
  assert.deepEqual([fleet, Array.from({ length: 3000 }, () => machine("192.0.2.1")).filter(({ inside }) => inside).length], [10_000, 2000]);
});

test("refusals are logged once a second with their count, whoever comes", () => {
  const { listen, lines } = open({ maxConnections: 1 });
  const enter = listen();
  for (let at = 0; at < 1000; at++) enter("10.0.0.1");
  assert.deepEqual(lines, ["connection refused: gateway full"]);
});

test("addressBlock() is an IPv4 address, or 64 bits of an IPv6 one, however it is written", () => {
  const cases = { "192.0.2.1": "192.0.2.1", "192.0.2.1:4711": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "[2001:db8::1]:80": "2001:db8:0:0::/64", "2001:0DB8:0:0:1::9": "2001:db8:0:0::/64", "fe80::1%eth0": "fe80:0:0:0::/64", "::1": "::1", unknown: "unknown" };
  for (const [remote, block] of Object.entries(cases)) assert.equal(addressBlock(remote), block);
});
