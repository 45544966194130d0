import { createServer, type Socket } from "node:net";
import type { Clock, Counter, Log, WriteGuard } from "@busbar/core";
import { listen } from "./listen.ts";
import { createModbusDeframer, encodeModbusAnswer, modbusPdu, modbusUnitId } from "./modbus-frame.ts";
import { createModbusMap, type ModbusUnit } from "./modbus-map.ts";
import { answerModbus, exceptionPdu, modbusException } from "./modbus-request.ts";
import type { Simulation } from "./simulation.ts";

/** What a Modbus TCP server is made of. */
export interface ModbusServerOptions {
  readonly simulation: Simulation;
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

/** A Modbus TCP server that listens. */
export interface ModbusServer {
  readonly port: number;
  /** Connections that are open. */
  readonly connections: number;
  /** Stops listening and cuts every connection; resolves when all is released. */
  close(): Promise<void>;
}

/**
 * Serves the plant as Modbus TCP: one unit id a machine, laid out by `createModbusMap`. Requests of one connection are answered in order,
 * what arrived together in one write; a client that does not read its answers is not read from.
 * @throws {BusbarError} UNAVAILABLE when it cannot listen.
 */
export async function openModbusServer(options: ModbusServerOptions): Promise<ModbusServer> {
  const { clock, log, refused } = options;
  const units = createModbusMap(options.simulation.plant);
  const lastHeard = new Map<Socket, number>();
  const server = createServer((socket) => {
    if (lastHeard.size >= options.maxConnections) {
      refused.value++;
      log.warn("modbus connection turned away", { peer: socket.remoteAddress, limit: options.maxConnections });
      return void socket.destroy();
    }
    lastHeard.set(socket, clock.now());
    socket.setNoDelay(true); // answers are small: Nagle and delayed acknowledgements would cost 40 ms each
    socket.on("error", (error) => log.debug("modbus connection broke", { peer: socket.remoteAddress, error }));
    socket.on("close", () => lastHeard.delete(socket));
    serve(socket, { ...options, units, heard: () => lastHeard.set(socket, clock.now()) });
  });
  const port = await listen(server, options);
  const stopSweep = clock.every(Math.max(1, Math.ceil(options.idleTimeout / 4)), () => {
    for (const [socket, heard] of lastHeard) if (clock.now() - heard >= options.idleTimeout) socket.destroy();
  });
  return {
    port,
    get connections() {
      return lastHeard.size;
    },
    close: () =>
      new Promise<void>((resolve) => {
        stopSweep();
        server.close(() => resolve());
        for (const socket of lastHeard.keys()) socket.destroy();
      }),
  };
}

interface Serving extends ModbusServerOptions {
  readonly units: ReadonlyMap<number, ModbusUnit>;
  readonly heard: () => void;
}

function serve(socket: Socket, serving: Serving): void {
  const deframer = createModbusDeframer();
  let answers: Uint8Array[] = [];
  const onFrame = (bytes: Uint8Array, start: number, end: number): void => void answers.push(answer(bytes.subarray(start, end), serving, socket.remoteAddress));
  const flush = (): boolean => {
    if (answers.length === 0) return true;
    const bytes = answers.length === 1 ? answers[0]! : Buffer.concat(answers);
    answers = [];
    return socket.write(bytes);
  };
  socket.on("data", (chunk: Buffer) => {
    serving.heard();
    try {
      deframer.push(chunk, onFrame);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      serving.refused.value++;
      serving.log.warn("modbus connection cut off", { peer: socket.remoteAddress, error });
      flush();
      return void socket.destroySoon();
    }
    if (!flush()) socket.pause();
  });
  socket.on("drain", () => socket.resume());
}

function answer(frame: Uint8Array, serving: Serving, remote: string | undefined): Uint8Array {
  const pdu = modbusPdu(frame);
  const reply = replyTo(pdu, serving.units.get(modbusUnitId(frame)), { ...serving, remote });
  if (reply[0]! & 0x80) serving.refused.value++;
  return encodeModbusAnswer(frame, reply);
}

function replyTo(pdu: Uint8Array, unit: ModbusUnit | undefined, serving: Serving & { readonly remote: string | undefined }): Uint8Array {
  if (!unit) return exceptionPdu(pdu[0]!, modbusException.gatewayTargetFailed);
  try {
    return answerModbus(pdu, { unit, simulation: serving.simulation, writes: serving.writes, remote: serving.remote, now: serving.clock.now() });
  } catch (error) {
    serving.log.error("modbus request failed", { unit: unit.id, function: pdu[0], error });
    return exceptionPdu(pdu[0]!, modbusException.serverDeviceFailure);
  }
}
