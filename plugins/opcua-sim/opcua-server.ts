import { createServer, type Socket } from "node:net";
import type { Clock, Counter, Log, WriteGuard } from "@busbar/core";
import { openDoor } from "./door.ts";
import type { Fault } from "./fault.ts";
import type { Faults } from "./faults.ts";
import { OpcuaBackend } from "./opcua-backend.ts";
import type { OpcuaSettings } from "./opcua-messages.ts";
import { relayOpcua } from "./opcua-relay.ts";
import type { Simulation } from "./simulation.ts";
import type { TagHistory } from "./tag-history.ts";

/** What an OPC UA server is made of. */
export interface OpcuaServerOptions {
  readonly simulation: Simulation;
  /** What goes wrong. */
  readonly faults: Faults;
  readonly clock: Clock;
  readonly log: Log;
  /** The address to listen on. */
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly settings: Omit<OpcuaSettings, "port">;
  /** Stands before every write of a client. */
  readonly writes: WriteGuard;
  /** Milliseconds for a client to say its first word. */
  readonly helloTimeout: number;
  /** What was; undefined where none is kept. */
  readonly history: TagHistory | undefined;
  /** Counts connections that were turned away. */
  readonly refused: Counter;
}

/** An OPC UA server whose port is open. */
export interface OpcuaServer {
  readonly port: number;
  /** Where clients connect to. */
  readonly url: string;
  /** Connections that are open. */
  readonly connections: number;
  /** Whether node-opcua is loaded: only from the first client on. */
  readonly loaded: boolean;
  /** Stops listening, ends every connection and the inner server; resolves when all is released. */
  close(): Promise<void>;
}

/** Every OPC UA conversation begins with this message type (OPC 10000-6 §7.1.2.2). */
const hello = Buffer.from("HELF", "latin1");

/**
 * Serves the plant as OPC UA. The port is open at once; the server behind it runs in a thread of its own that is started when the first
 * client says hello. Bytes are passed on as they are, so security is between the client and that server.
 * @throws {BusbarError} UNAVAILABLE when it cannot listen.
 */
export async function openOpcuaServer(options: OpcuaServerOptions): Promise<OpcuaServer> {
  const { clock, log, refused, settings, faults } = options;
  const sockets = new Set<Socket>();
  const turnAway = (socket: Socket, why: string): void => {
    refused.value++;
    log.warn("opcua connection turned away", { peer: socket.remoteAddress, why });
    socket.destroy();
  };
  const server = createServer((socket) => {
    socket.on("error", (error) => log.debug("opcua connection broke", { peer: socket.remoteAddress, error }));
    if (sockets.size >= settings.maxConnections) return turnAway(socket, `more than ${settings.maxConnections} connections`);
    sockets.add(socket);
    socket.setNoDelay(true);
    const cancel = clock.after(options.helloTimeout, () => turnAway(socket, "no hello in time"));
    socket.on("close", () => {
      cancel();
      sockets.delete(socket);
    });
    readHello(socket, (first) => {
      cancel();
      if (!first) return turnAway(socket, "the first bytes are not an OPC UA hello");
      backend.start().then(
        (inner) => relayOpcua(socket, { inner, port: door.port, first, faults, clock, log }),
        () => turnAway(socket, "the OPC UA server cannot run"),
      );
    });
  });
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const door = await openDoor(server, { ...options, protocol: "opcua", cut, restart: () => backend.restart() });
  const { port } = door;
  const backend = new OpcuaBackend({ ...options, settings: { ...settings, port }, onLost: cut });
  const remake = ({ fault }: { readonly fault: Fault }): void => {
    if (fault.kind !== "namespace-change" && fault.kind !== "certificate-change") return;
    cut();
    backend.restart();
  };
  const unlisten = faults.listen({ began: remake, ended: remake });
  return {
    port,
    url: `opc.tcp://${settings.hostname.includes(":") ? `[${settings.hostname}]` : settings.hostname}:${port}`,
    get connections() {
      return sockets.size;
    },
    get loaded() {
      return backend.loaded;
    },
    async close() {
      unlisten();
      await door.close();
      await backend.stop();
    },
  };
}

/** Waits for the first four bytes; gives all bytes that came by then, or undefined when they are not a hello. The socket is paused then. */
function readHello(socket: Socket, done: (first: Buffer | undefined) => void): void {
  let first = Buffer.alloc(0);
  const onData = (chunk: Buffer): void => {
    first = Buffer.concat([first, chunk]);
    const known = Math.min(first.length, hello.length);
    const fits = first.subarray(0, known).equals(hello.subarray(0, known));
    if (fits && known < hello.length) return;
    socket.off("data", onData);
    socket.pause();
    done(fits ? first : undefined);
  };
  socket.on("data", onData);
}
