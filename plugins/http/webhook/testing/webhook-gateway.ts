import assert from "node:assert/strict";
import type { Bus } from "@busbar/core";
import { testPlugin, until, type TestGateway } from "@busbar/core/testkit";
import { webhook } from "../mod.ts";
import type { ScriptedServer, SeenRequest } from "./scripted-server.ts";

/** Delivers `count` messages from a few sources, in order; their payloads count per source. */
export async function deliver(bus: Bus, count: number, options: { readonly type?: string; readonly from?: number; readonly sources?: number } = {}): Promise<void> {
  const { type = "status", from = 0, sources = 3 } = options;
  await Promise.all(Array.from({ length: count }, (_, at) => bus.deliver({ type, from: `plc-${(from + at) % sources}`, msgid: `${type}-${from + at}`, payload: { n: from + at } })));
}

/** The msgids in requests, in order. */
export const msgids = (requests: readonly SeenRequest[]): string[] => requests.flatMap(({ messages }) => messages.map(({ msgid }) => msgid));
/** What the messages of `deliver` count, in order. */
export const numbers = (requests: readonly SeenRequest[]): number[] => requests.flatMap(({ messages }) => messages.map(({ payload }) => (payload as { n: number }).n));

/** Every message once, and those of each source in order. */
export function assertOnceInOrder(requests: readonly SeenRequest[], count: number): void {
  const seen = requests.flatMap(({ messages }) => messages);
  assert.equal(new Set(seen.map(({ msgid }) => msgid)).size, count);
  assert.equal(seen.length, count, "none is there twice");
  const last = new Map<string, number>();
  for (const { from, offset } of seen) {
    assert.ok(offset > (last.get(from) ?? 0), `${from} is in order`);
    last.set(from, offset);
  }
}

/** Resolves when it is true: what the server has sent is not at once what the gateway has read. */
export const settled = (is: () => boolean): Promise<boolean> => until(String(is), is);

const quick = { batch: { linger: 0 } };
/** A gateway with a webhook to that server, which does not wait for batches to fill. */
export const startWebhook = (server: ScriptedServer, config: object = {}): Promise<TestGateway> => testPlugin(webhook, { url: server.url, ...quick, ...config });
