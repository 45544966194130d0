import type { Socket } from "node:net";
import { findRequestFault, spoilFrame } from "./modbus-faults.ts";
import { answerModbus, exceptionPdu } from "./modbus-request.ts";
import { modbusException } from "./modbus-bank.ts";
import type { ModbusServerOptions } from "./modbus-server.ts";
import { createDraw } from "./signal.ts";

/** What a connection is served from. */
export interface ModbusConnectionOptions extends ModbusServerOptions {
  /** The port that is listened on. */
  readonly port: number;
  /** By unit: the time, in milliseconds since the Unix epoch, until which it works on what it was asked. Shared by the connections of a server. */
  readonly busy: Map<number, number>;
}

/** Answers of one connection that may wait for their time before it is not read from any more. */
const maxWaiting = 1_000;

/** One client of a Modbus server, from its first byte to its last. */
export class ModbusConnection {
  /** Milliseconds since the Unix epoch at which its last bytes came. */
  heard: number;
  readonly #socket: Socket;
  readonly #options: ModbusConnectionOptions;
  readonly #waiting = new Set<() => void>();
  readonly #draw: () => number;
  #answers: Uint8Array[] = [];
  #ending = false;

  constructor(socket: Socket, options: ModbusConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.heard = options.clock.now();
    this.#draw = createDraw(this.heard);
    const { framing, clock, log, refused } = options;
    const deframer = framing.createDeframer(() => void refused.value++);
    const onFrame = (bytes: Uint8Array, start: number, end: number): void => this.#take(bytes.subarray(start, end));
    socket.on("data", (chunk: Buffer) => {
      this.heard = clock.now();
      try {
        deframer.push(chunk, onFrame);
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        refused.value++;
        log.warn("modbus connection cut off", { peer: socket.remoteAddress, error });
        this.#ending = true;
      }
      this.#flush();
    });
    socket.on("drain", () => this.#resume());
    socket.on("close", () => {
      for (const cancel of this.#waiting) cancel();
    });
  }

  /** Takes one request, a whole frame. */
  #take(frame: Uint8Array): void {
    if (this.#ending) return;
    const { framing, banks, port, clock, faults, requests } = this.#options;
    const unit = framing.unitOf(frame);
    const pdu = framing.pduOf(frame);
    const bank = banks.get(unit);
    requests.count(port, unit, pdu[0]!);
    const active = faults.active.length === 0 ? undefined : findRequestFault(faults.active, { port, unit, machine: bank?.machine, pdu, draw: this.#draw });
    if (active) faults.struck(active);
    const fault = active?.fault;
    if (fault?.kind === "no-answer" || bank?.dead) return;
    if (!bank && framing.name === "rtu") return; // on a serial line nobody is there to say so
    if (fault?.kind === "drop" && !fault.within) {
      this.#ending = true;
      return;
    }
    const delay = (bank?.latency ?? 0) + (fault && "delay" in fault ? fault.delay : 0);
    const reply = (): Uint8Array => {
      const answer = fault?.kind === "exception" ? exceptionPdu(pdu[0]!, fault.code) : this.#reply(unit, pdu);
      if (answer[0]! & 0x80) this.#options.refused.value++;
      const whole = framing.encode(frame, answer);
      if (fault?.kind === "drop") this.#ending = true;
      return fault ? spoilFrame(fault, whole, { framing, draw: this.#draw }) : whole;
    };
    const now = clock.now();
    const due = Math.max(now, this.#options.busy.get(unit) ?? 0) + delay;
    if (due <= now) return void this.#answers.push(reply());
    this.#options.busy.set(unit, due);
    this.#later(due - now, reply);
  }

  /** Answers when the unit has got to it. */
  #later(ms: number, reply: () => Uint8Array): void {
    const cancel = this.#options.clock.after(ms, () => {
      this.#waiting.delete(cancel);
      this.#answers.push(reply());
      this.#flush();
      this.#resume();
    });
    this.#waiting.add(cancel);
  }

  #reply(unit: number, pdu: Uint8Array): Uint8Array {
    const { banks, writes, clock, log } = this.#options;
    const bank = banks.get(unit);
    if (!bank) return exceptionPdu(pdu[0]!, modbusException.gatewayTargetFailed);
    try {
      return answerModbus(pdu, { bank, writes, remote: this.#socket.remoteAddress, now: clock.now() });
    } catch (error) {
      log.error("modbus request failed", { unit, function: pdu[0], error });
      return exceptionPdu(pdu[0]!, modbusException.serverDeviceFailure);
    }
  }

  #flush(): void {
    const answers = this.#answers;
    this.#answers = [];
    const taken = answers.length === 0 || this.#socket.write(answers.length === 1 ? answers[0]! : Buffer.concat(answers));
    if (this.#ending) return void this.#socket.destroySoon();
    if (!taken || this.#waiting.size >= maxWaiting) this.#socket.pause();
  }

  #resume(): void {
    if (this.#waiting.size < maxWaiting && !this.#socket.writableNeedDrain) this.#socket.resume();
  }
}
