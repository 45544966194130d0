import { createServer, connect, type Socket } from "node:net";
import { openAuthority, testPlugin, type TestGateway } from "@busbar/core/testkit";
import http from "@busbar/http";
import storageSqlite from "@busbar/storage-sqlite";
import tcpProtobuf from "@busbar/tcp-protobuf";
import websocket from "@busbar/websocket";
import type { Envelope } from "@busbar/core";

/** A gateway in this process, reached through a network that a test can break. Tokens are ids. */
export interface GatewayUnderTest extends AsyncDisposable {
  readonly gateway: TestGateway;
  /** For each transport, through the network. */
  readonly urls: { readonly ws: string; readonly tcp: string };
  /** What the bus has carried, in order. */
  readonly seen: readonly Envelope[];
  /** Cuts all connections. */
  cut(): void;
  /** From now on nothing passes in either direction, and nobody is told; with `false`, for new connections all is well again. */
  stall(on: boolean): void;
  /** Nobody listens any more, or again. */
  refuse(on: boolean): void;
  /** Stops the gateway and starts another one on the same data, after what is done in between. */
  restart(between?: () => Promise<void>): Promise<void>;
}

/** Starts it. `folder`: keeps the journal there; without it in memory. `messageKeys`: by id; messages must then be signed. */
export async function openGateway({ folder, config = {}, messageKeys }: { readonly folder?: string; readonly config?: object; readonly messageKeys?: Readonly<Record<string, readonly string[]>> } = {}): Promise<GatewayUnderTest> {
  const seen: Envelope[] = [];
  const signed = messageKeys === undefined ? "off" : "require";
  const start = async (): Promise<TestGateway> => {
    const gateway = await testPlugin(websocket, { signed, ...config }, {
      authority: openAuthority(messageKeys && { messageKeys }),
      plugins: { http: [http, { port: 0 }], tcp: [tcpProtobuf, { port: 0, signed }], ...(folder === undefined ? {} : { storage: [storageSqlite, { file: "journal.db" }] }) },
      ...(folder === undefined ? {} : { cwd: folder }),
    });
    gateway.bus.subscribe("#", (message) => void (message.type === "event" || message.type === "audit" || seen.push(message)));
    return gateway;
  };
  let gateway = await start();
  let up = true;
  const portOf = (id: string): number | undefined => (up ? Number(new URL(gateway.status(id).addresses[0]!.url).port) : undefined);
  const [ws, tcp] = await Promise.all([openProxy(() => portOf("subject")), openProxy(() => portOf("tcp"))]);
  const both = [ws, tcp];
  const path = new URL(gateway.urls[0]!).pathname;
  return {
    get gateway() {
      return gateway;
    },
    urls: { ws: `ws://127.0.0.1:${ws.port}${path}`, tcp: `tcp://127.0.0.1:${tcp.port}` },
    seen,
    cut() {
      for (const proxy of both) proxy.cut();
    },
    stall(on) {
      for (const proxy of both) proxy.stalled = on;
    },
    refuse(on) {
      for (const proxy of both) proxy.refusing = on;
      for (const proxy of both) proxy.cut();
    },
    async restart(between = async () => {}) {
      up = false;
      await gateway.stop();
      await between();
      gateway = await start();
      up = true;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(both.map((proxy) => proxy.close()));
      await gateway.stop();
    },
  };
}

interface Proxy {
  readonly port: number;
  stalled: boolean;
  refusing: boolean;
  cut(): void;
  close(): Promise<void>;
}

async function openProxy(target: () => number | undefined): Promise<Proxy> {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const port = target();
    if (proxy.refusing || port === undefined) return void near.destroy();
    const far = connect({ port, host: "127.0.0.1" });
    for (const [socket, other] of [[near, far], [far, near]] as const) {
      sockets.add(socket);
      let dead = false;
      socket.on("data", (chunk: Uint8Array) => {
        dead ||= proxy.stalled; // for good: what comes later would be a gap
        if (!dead) other.write(chunk);
      });
      socket.on("error", () => {}); // "close" follows
      socket.on("close", () => {
        sockets.delete(socket);
        other.end(); // after what it was told last
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const proxy: Proxy = {
    port: (server.address() as { readonly port: number }).port,
    stalled: false,
    refusing: false,
    cut() {
      for (const socket of sockets) socket.destroy();
    },
    close() {
      proxy.refusing = true;
      proxy.cut();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  return proxy;
}
