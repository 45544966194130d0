import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { createMessage, envelopeJson, envelopeProto } from "@busbar/core";
import { PeerDriver, readAll } from "@busbar/core/testkit";
import { openFolder, runBusbar, startGateway } from "../cli/testing/busbar.ts";
import { openStorage } from "../plugins/storage-sqlite/storage.ts";
import { openPeer } from "./support/open-peer.ts";

const config = `plugins:
  auth-jwt:
    keyFile: signing.key
    roles:
      admin: { publish: ["#"], subscribe: ["#"] }
  http: { port: 0 }
  websocket: {}
  tcp-protobuf: { port: 0 }
  storage-sqlite: { file: busbar.db }
gateway: { presenceGrace: 3s }
`;

test("the last wills of who was connected when the gateway was killed come from the next one, once, but for who is back", async () => {
  await using folder = await openFolder({ "busbar.yaml": config });
  const tokens = new Map<string, string>();
  for (const id of ["d-1", "d-2", "d-3", "d-4", "watcher"]) tokens.set(id, (await runBusbar(["token", id, "--role", "admin"], { cwd: folder.path })).stdout.trim());
  const login = async (url: string, id: string, will?: string): Promise<PeerDriver> => {
    const codec = url.startsWith("ws:") ? envelopeJson : envelopeProto;
    const peer = new PeerDriver(await openPeer(url, codec), codec);
    const message = will === undefined ? undefined : createMessage({ type: "event", payload: will, qos: 0, retain: true });
    if (message) message.qos = 1;
    peer.send({ kind: "auth", deviceId: id, token: tokens.get(id)!, will: message });
    await peer.next("auth_response");
    return peer;
  };
  const urlsOf = ({ urls }: { readonly urls: ReadonlyMap<string, string> }): readonly [ws: string, tcp: string] => [urls.get("WebSocket")!, [...urls.values()].find((url) => url.startsWith("tcp:"))!];
  const said: string[] = [];
  {
    const killed = await startGateway(folder.path);
    const [ws, tcp] = urlsOf(killed);
    await login(ws, "d-1", "d-1 is gone");
    await login(tcp, "d-2", "d-2 is gone");
    await login(ws, "d-3", "d-3 is gone");
    const polite = await login(tcp, "d-4", "d-4 is gone");
    polite.send({ kind: "disconnect" });
    await polite.end();
    killed.signal("SIGKILL");
    assert.equal((await killed.ended).signal, "SIGKILL");
  }
  {
    await using next = await startGateway(folder.path);
    const [ws] = urlsOf(next);
    await login(ws, "d-3");
    const watcher = await login(ws, "watcher");
    watcher.send({ kind: "subscribe", topic: "event/+", qos: 0, since: 0 });
    for (let count = 0; count < 2; count++) said.push((await watcher.next("event"))["payload"] as string);
  }
  assert.deepEqual(said.sort(), ["d-1 is gone", "d-2 is gone"]);
  const storage = await openStorage({ file: join(folder.path, "busbar.db") });
  try {
    const kept = (await storage.journal.retained()).map(({ message }) => message.topic);
    assert.deepEqual([kept.filter((topic) => topic.startsWith("will/")), kept.includes("event/d-1")], [[], true]);
    const entries = await readAll(storage.journal, { after: 0, pattern: "event/+" }); // one page may have none of them
    assert.deepEqual(entries.map(({ message }) => message.payload).sort(), said, "each came once");
  } finally {
    await storage.close();
  }
});
