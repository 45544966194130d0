import { createServer, type Socket } from "node:net";
import type { Clock, Counter, Log, WriteGuard } from "@busbar/core";
import { openDoor } from "./door.ts";
import type { Faults } from "./faults.ts";
import type { ModbusBank } from "./modbus-bank.ts";
import { ModbusConnection } from "./modbus-connection.ts";
import type { ModbusFraming } from "./modbus-framing.ts";
import type { ModbusRequests } from "./modbus-requests.ts";

/** What a Modbus server is made of. */
export interface ModbusServerOptions {
  /** Who answers, by unit id. */
  readonly banks: ReadonlyMap<number, ModbusBank>;
  readonly framing: ModbusFraming;
  /** What goes wrong. */
  readonly faults: Faults;
  /** Where each request is counted. */
  readonly requests: ModbusRequests;
  /** Stands before every write of a client. */
  readonly writes: WriteGuard;
  readonly clock: Clock;
  readonly log: Log;
  /** The address to listen on. */
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  /** Connections at once; one more is closed unanswered. */
  readonly maxConnections: number;
  /** Milliseconds without a byte after which a connection is closed. */
  readonly idleTimeout: number;
  /** Counts requests that were answered with an exception, and connections that were turned away or cut off. */
  readonly refused: Counter;
}

/** A Modbus server that listens. */
export interface ModbusServer {
  readonly port: number;
  /** Connections that are open. */
  readonly connections: number;
  /** Stops listening and cuts every connection; resolves when all is released. */
  close(): Promise<void>;
}

/**
 * Serves units as Modbus TCP, or as Modbus RTU over TCP. Requests of one connection are answered in order unless a unit takes its time: it
 * then keeps the others of that connection from nothing. What is answered together goes out in one write; a client that does not read its
 * answers is not read from.
 * @throws {BusbarError} UNAVAILABLE when it cannot listen.
 */
export async function openModbusServer(options: ModbusServerOptions): Promise<ModbusServer> {
  const { clock, log, refused } = options;
  const connections = new Map<Socket, ModbusConnection>();
  const busy = new Map<number, number>(); // by unit: until when it works on what it was asked
  const server = createServer((socket) => {
    if (connections.size >= options.maxConnections) {
      refused.value++;
      log.warn("modbus connection turned away", { peer: socket.remoteAddress, limit: options.maxConnections });
      return void socket.destroy();
    }
    connections.set(socket, new ModbusConnection(socket, { ...options, port: door.port, busy }));
    socket.setNoDelay(true); // answers are small: Nagle and delayed acknowledgements would cost 40 ms each
    socket.on("error", (error) => log.debug("modbus connection broke", { peer: socket.remoteAddress, error }));
    socket.on("close", () => connections.delete(socket));
  });
  const cut = (): void => {
    for (const socket of connections.keys()) socket.destroy();
  };
  const restart = (): void => {
    for (const bank of options.banks.values()) bank.restart();
  };
  const door = await openDoor(server, { ...options, protocol: "modbus", cut, restart });
  const stopSweep = clock.every(Math.max(1, Math.ceil(options.idleTimeout / 4)), () => {
    for (const [socket, { heard }] of connections) if (clock.now() - heard >= options.idleTimeout) socket.destroy();
  });
  return {
    port: door.port,
    get connections() {
      return connections.size;
    },
    close() {
      stopSweep();
      return door.close();
    },
  };
}
