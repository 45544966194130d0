import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, request } from "node:https";
import type { IncomingMessage } from "node:http";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { connect, type TLSSocket } from "node:tls";
import { makeCertificate, testPlugin, until, writeCertificate, type TestGateway } from "@busbar/core/testkit";
import http from "@busbar/http";
import tcpProtobuf from "@busbar/tcp-protobuf";
import { TcpPeer } from "../plugins/tcp-protobuf/testing/tcp-peer.ts";
import websocket from "@busbar/websocket";
import { WebSocket } from "ws";

const authority = makeCertificate({ name: "test authority", ca: true });
const [first, second] = ["first", "second"].map((name) => makeCertificate({ name, issuer: authority }));
const ca = authority.cert;
const tls = { certFile: "tls.pem", keyFile: "tls.key", watchInterval: 50 };

/** Runs a gateway that speaks every protocol over TLS, with the certificate `first`. */
async function withGateway(run: (gateway: TestGateway, folder: string, urls: { readonly tcp: URL; readonly web: URL }) => Promise<void>): Promise<void> {
  const cwd = await mkdtemp(join(tmpdir(), "busbar-rotation-"));
  try {
    await writeCertificate(cwd, "tls", first!);
    await using gateway = await testPlugin(tcpProtobuf, { port: 0, tls }, { cwd, plugins: { http: [http, { port: 0, tls }], websocket: [websocket, {}] } });
    await run(gateway, cwd, { tcp: new URL(gateway.urls[0]!), web: new URL(gateway.status("http").addresses[0]!.url) });
  } finally {
    await rm(cwd, { recursive: true });
  }
}

/** The CN that a new connection to a port is shown. */
async function shownAt({ port }: URL): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port: Number(port), ca });
  await once(socket, "secureConnect");
  const { CN } = socket.getPeerCertificate().subject;
  socket.destroy();
  return [CN].flat().join();
}

test("a certificate is changed under live connections: TCP, WebSocket and HTTPS keep-alive go on, new ones see the new one", () =>
  withGateway(async (gateway, folder, { tcp, web }) => {
    await using device = await TcpPeer.connect(tcp.href, { ca });
    device.say({ case: "auth", value: { deviceId: "press-1", token: "press-1" } });
    assert.equal((await device.hear()).case, "authResponse");
    const socket = new WebSocket(`wss://127.0.0.1:${web.port}/ws`, ["busbar.v1.json"], { ca, headers: { authorization: "Bearer lamp-1" } });
    await once(socket, "open");
    const agent = new Agent({ keepAlive: true, maxSockets: 1, ca });
    const health = async (): Promise<{ readonly status: number | undefined; readonly socket: TLSSocket }> => {
      const [response] = (await once(request({ host: "127.0.0.1", port: web.port, path: "/healthz", agent }).end(), "response")) as [IncomingMessage];
      const used = response.socket as TLSSocket;
      response.resume();
      await once(response, "end");
      return { status: response.statusCode, socket: used };
    };
    const before = await health();
    assert.deepEqual([await shownAt(tcp), await shownAt(web)], ["first", "first"]);

    await writeCertificate(folder, "tls", second!);
    await until("new connections see the second one", async () => (await shownAt(tcp)) === "second" && (await shownAt(web)) === "second");

    const heard = [gateway.next("status/press-1"), gateway.next("status/lamp-1")];
    device.say({ case: "envelope", value: { type: "status", payload: { case: "json", value: "1" } } });
    socket.send(JSON.stringify({ type: "status", payload: 2 }));
    assert.deepEqual((await Promise.all(heard)).map(({ from }) => from), ["press-1", "lamp-1"]);
    const after = await health();
    assert.deepEqual([after.status, after.socket === before.socket], [200, true], "the same connection");
    assert.deepEqual([gateway.status().restarts, gateway.status("http").restarts], [0, 0]);
    socket.terminate();
    agent.destroy();
  }));
