import type { Duplex } from "node:stream";
import { BusbarError, errorText } from "@busbar/core";

/** How a serial line is set. */
export interface SerialSettings {
  /** The device file, such as /dev/ttyUSB0, or COM3. */
  readonly path: string;
  /** Bits a second. */
  readonly baudRate: number;
  readonly dataBits: 7 | 8;
  readonly parity: "none" | "even" | "odd";
  readonly stopBits: 1 | 2;
}

/** What is used of the package serialport, which is not installed with this one. */
interface Driver {
  readonly SerialPort: new (settings: SerialSettings & { readonly autoOpen: false }) => Duplex & { open(callback: (error: Error | null) => void): void };
}

/** Not a literal, as the package is optional: neither types nor a lock file can rely on it. */
const driverName: string = "serialport";

/**
 * Opens a serial line with the package serialport.
 * @throws {BusbarError} CONFIG naming the package where it is not installed; UNAVAILABLE when the line cannot be opened.
 */
export async function openSerialPort(settings: SerialSettings): Promise<Duplex> {
  const { SerialPort } = await loadDriver();
  const port = new SerialPort({ ...settings, autoOpen: false });
  await new Promise<void>((resolve, reject) => {
    port.open((error) => (error ? reject(new BusbarError("UNAVAILABLE", `Cannot open the serial line ${settings.path}: ${error.message}`, { cause: error })) : resolve()));
  });
  return port;
}

async function loadDriver(): Promise<Driver> {
  try {
    return (await import(driverName)) as Driver;
  } catch (cause) {
    throw new BusbarError("CONFIG", `Cannot use a serial line: the optional package "serialport" cannot be loaded (${errorText(cause).split("\n")[0]}); install it with: npm install serialport@13`, { cause });
  }
}
