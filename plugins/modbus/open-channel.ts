import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { BusbarError, type Clock } from "@busbar/core";
import type { Channel, ChannelCounts } from "./channel.ts";
import { RtuChannel } from "./rtu-channel.ts";
import { openSerialPort, type SerialSettings } from "./serial-port.ts";
import { TcpChannel } from "./tcp-channel.ts";

/** Where a device is, and how it is spoken to. */
export interface ChannelTarget {
  /** Host name or address; with `serial` it is not used. */
  readonly host?: string | undefined;
  /** 1-65535. */
  readonly port: number;
  /** Modbus TCP, or RTU frames over TCP. */
  readonly framing: "tcp" | "rtu";
  /** A serial line instead of host and port. */
  readonly serial?: SerialSettings | undefined;
  /** Milliseconds that connecting may take. */
  readonly connectTimeout: number;
  /** Requests that may be on their way at once; a line carries one. */
  readonly inFlight: number;
  /** Whether an answer has to name the unit that was asked. */
  readonly strictUnit: boolean;
  /** Milliseconds of silence before each request on a line. */
  readonly silence: number;
}

/** What opens a channel besides. */
export interface OpenChannelOptions {
  readonly clock: Clock;
  readonly counts: ChannelCounts;
  readonly signal: AbortSignal;
}

/**
 * Connects. Whoever called owns the channel and closes it.
 * @throws {BusbarError} UNAVAILABLE when nobody is there; CONFIG when a serial line cannot be used here. The signal's reason when it aborts first.
 */
export async function openChannel(target: ChannelTarget, { clock, counts, signal }: OpenChannelOptions): Promise<Channel> {
  const { serial, framing, inFlight, strictUnit, silence } = target;
  signal.throwIfAborted();
  if (serial) return new RtuChannel(await openSerialPort(serial), { clock, counts, silence: Math.max(silence, frameSilence(serial)) });
  const stream = await openSocket(target, clock, signal);
  return framing === "tcp" ? new TcpChannel(stream, { clock, counts, strictUnit, depth: inFlight }) : new RtuChannel(stream, { clock, counts, silence });
}

/** 3.5 characters of 11 bits, and 1.75 ms from 19,200 baud on (Modbus over Serial Line V1.02 §2.5.1.1), in whole milliseconds. */
function frameSilence({ baudRate }: SerialSettings): number {
  return Math.ceil(baudRate > 19_200 ? 1.75 : (3.5 * 11 * 1000) / baudRate);
}

function openSocket({ host = "127.0.0.1", port, connectTimeout }: ChannelTarget, clock: Clock, signal: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 });
    const settle = (act: () => void): void => {
      cancel();
      signal.removeEventListener("abort", onAbort);
      act();
    };
    const fail = (error: unknown): void =>
      settle(() => {
        socket.destroy();
        reject(error);
      });
    const unavailable = (why: string, cause?: unknown): BusbarError => new BusbarError("UNAVAILABLE", `Cannot connect to ${host}:${port}: ${why}`, { cause });
    const onAbort = (): void => fail(signal.reason);
    const cancel = clock.after(connectTimeout, () => fail(unavailable(`no answer within ${connectTimeout} ms`)));
    signal.addEventListener("abort", onAbort, { once: true });
    socket.on("error", (error: NodeJS.ErrnoException) => fail(unavailable(error.code ?? error.message, error)));
    socket.once("connect", () => settle(() => resolve(socket)));
  });
}
