import { createMinter, errorText, retryDelay, systemClock, type Clock } from "@busbar/core";
import type { Link, OpenLink } from "./link.ts";

/** What a fleet is. */
export interface FleetOptions {
  readonly url: URL;
  readonly open: OpenLink;
  /** The devices' ids. */
  readonly ids: readonly string[];
  readonly tokenFor: (id: string) => Promise<string>;
  /** Messages per second of each device. */
  readonly rate: number;
  readonly qos: 0 | 1 | 2;
  readonly clock?: Clock;
}

/** Counters since the fleet started. */
export interface FleetCounts {
  readonly connected: number;
  readonly sent: number;
  readonly acked: number;
  /** Frames that were refused, and connections that broke or did not come about. */
  readonly errors: number;
  /** Attempts to connect again. */
  readonly reconnects: number;
}

/** Simulated devices that are on their way. */
export interface Fleet {
  counts(): FleetCounts;
  /** The last thing that went wrong. */
  lastError(): string | undefined;
  /** Sends nothing more. Resolves when every connection is closed. */
  stop(): Promise<void>;
}

/** A device sends nothing while the system has not taken this much of it, in bytes. */
const bufferLimit = 256 * 1024;
/** Devices that start to connect per tick, so that a large fleet does not run into the listener's backlog. */
const connectsPerTick = 20;
const tick = 10;

interface Device {
  readonly id: string;
  /** Drives its signal. */
  readonly phase: number;
  link: Link | undefined;
  ready: boolean;
  attempt: number;
}

/** Starts devices that connect, report at a rate, and come back with growing pauses when their connection breaks. */
export function startFleet(options: FleetOptions): Fleet {
  const { url, open, ids, rate, qos } = options;
  const clock = options.clock ?? systemClock;
  const mint = createMinter();
  const devices = ids.map((id, at): Device => ({ id, phase: at, link: undefined, ready: false, attempt: 0 }));
  const counts = { connected: 0, sent: 0, acked: 0, errors: 0, reconnects: 0 };
  const pauses = new Set<() => void>();
  let lastError: string | undefined;
  let stopping = false;
  let allClosed = (): void => {};

  const failed = (reason: string): void => {
    counts.errors++;
    lastError = reason;
  };
  const comeBack = (device: Device): void => {
    const cancel = clock.after(retryDelay(device.attempt++), () => {
      pauses.delete(cancel);
      counts.reconnects++;
      void connect(device);
    });
    pauses.add(cancel);
  };
  const connect = async (device: Device): Promise<void> => {
    let token: string;
    try {
      token = await options.tokenFor(device.id);
    } catch (error) {
      return failed(errorText(error)); // the same for every attempt
    }
    if (stopping) return;
    device.link = open(url, { id: device.id, token }, {
      ready() {
        device.ready = true;
        device.attempt = 0;
        counts.connected++;
      },
      acked: () => void counts.acked++,
      refused: failed,
      closed(reason) {
        if (device.ready) counts.connected--;
        device.ready = false;
        device.link = undefined;
        if (stopping) {
          if (devices.every(({ link }) => link === undefined)) allClosed();
          return;
        }
        failed(reason);
        comeBack(device);
      },
    });
  };

  let connecting = 0;
  let turn = 0;
  const begun = clock.now();
  let due = 0;
  const stopTicks = clock.every(tick, () => {
    for (let left = connectsPerTick; left > 0 && connecting < devices.length; left--) void connect(devices[connecting++]!);
    const target = ((clock.now() - begun) / 1000) * rate * devices.length;
    for (; due + 1 <= target; due++) {
      const device = devices[turn++ % devices.length]!;
      if (!device.ready || device.link === undefined || device.link.buffered() > bufferLimit) continue; // what it would have said is lost, as a real sensor's value is
      const timestamp = clock.now();
      device.link.send({ from: device.id, msgid: mint(), timestamp, qos, payload: reading(device.phase, timestamp) });
      counts.sent++;
    }
  });

  return {
    counts: () => ({ ...counts }),
    lastError: () => lastError,
    async stop() {
      stopping = true;
      stopTicks();
      for (const cancel of pauses) cancel();
      const closed = new Promise<void>((resolve) => (allClosed = resolve));
      const open = devices.filter(({ link }) => link !== undefined);
      for (const { link } of open) link?.close();
      if (open.length > 0) await closed;
    },
  };
}

/** A temperature that swings by 5 K within a minute, each device at its own point of it, and a voltage (WIRE §1, readings). */
function reading(phase: number, now: number): object {
  const angle = (now / 60_000) * 2 * Math.PI + phase;
  return {
    values: [
      { tag: "temperature", value: Math.round((20 + 5 * Math.sin(angle)) * 100) / 100, unit: "°C" },
      { tag: "voltage", value: Math.round((230 + 2 * Math.cos(angle * 7)) * 10) / 10, unit: "V" },
    ],
  };
}
