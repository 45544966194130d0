import { Worker } from "node:worker_threads";
import { BusbarError, type Clock, type Log, type WriteGuard } from "@busbar/core";
import { type FromServer, type OpcuaSettings, type OpcuaWorkerData, servedMachines, type Snapshot, type ToServer } from "./opcua-messages.ts";
import type { Fault } from "./fault.ts";
import type { Faults } from "./faults.ts";
import { answerOpcua } from "./opcua-answer.ts";
import type { Simulation } from "./simulation.ts";
import type { TagHistory } from "./tag-history.ts";

/** What the thread of the OPC UA server is made of. */
export interface OpcuaBackendOptions {
  readonly simulation: Simulation;
  /** Those that make another server of it are looked at when it starts. */
  readonly faults: Faults;
  readonly clock: Clock;
  readonly log: Log;
  readonly settings: OpcuaSettings;
  readonly writes: WriteGuard;
  /** What was; undefined where none is kept. */
  readonly history: TagHistory | undefined;
  /** Called when it ended without being told to. */
  readonly onLost: () => void;
}

/** Milliseconds for the thread to start: it takes 1-3 s, and making the first keys may take longer on a small machine. */
const startTimeout = 60_000;
/** Milliseconds for it to stop, less than the kernel gives a cleanup. */
const stopTimeout = 3_000;

interface Running {
  readonly worker: Worker;
  /** Resolves with the port on the loopback interface. */
  readonly port: Promise<number>;
  /** Resolves when the thread has said that it stopped, or has ended. */
  readonly stopped: Promise<void>;
  /** Tells whoever waits for the port that it will not come. */
  abandon(): void;
}

/** The thread that runs node-opcua: started when asked for, fed with values, asked for nothing when it is not there. A thread that broke is started anew at the next call. */
export class OpcuaBackend {
  readonly #options: OpcuaBackendOptions;
  #running: Running | undefined;
  #closed = false;
  /** Resolves when the last thread that was told to stop is gone. */
  #gone = Promise.resolve();

  constructor(options: OpcuaBackendOptions) {
    this.#options = options;
  }

  /** Whether the thread is there. */
  get loaded(): boolean {
    return this.#running !== undefined;
  }

  /**
   * Starts the thread unless it runs. Resolves with the port of the inner server.
   * @throws {BusbarError} UNAVAILABLE when it does not start in time or fails, CLOSED after `stop`.
   */
  start(): Promise<number> {
    if (this.#closed) return Promise.reject(new BusbarError("CLOSED", "Cannot start the OPC UA server: it is stopped"));
    return (
      this.#running?.port ??
      this.#gone.then(() => {
        if (this.#closed) throw new BusbarError("CLOSED", "Cannot start the OPC UA server: it is stopped");
        return (this.#running ??= this.#launch()).port;
      })
    );
  }

  /** Ends the thread unless there is none; the next `start` starts another, once this one is gone. */
  restart(): void {
    const running = this.#running;
    this.#running = undefined;
    if (running) this.#gone = Promise.all([this.#gone, this.#end(running)]).then(() => {});
  }

  /** Stops the thread and waits until it is gone. */
  async stop(): Promise<void> {
    this.#closed = true;
    this.restart();
    await this.#gone;
  }

  async #end(running: Running): Promise<void> {
    const { worker } = running;
    running.abandon();
    worker.postMessage({ kind: "stop" } satisfies ToServer);
    let cancel = (): void => {};
    await Promise.race([running.stopped, new Promise<void>((resolve) => (cancel = this.#options.clock.after(stopTimeout, resolve)))]);
    cancel();
    await worker.terminate();
  }

  #launch(): Running {
    const { simulation, faults, settings, clock, log } = this.#options;
    const has = (kind: Fault["kind"]): boolean => faults.active.some(({ fault }) => fault.kind === kind);
    const shape = { shiftedNamespace: has("namespace-change"), otherCertificate: has("certificate-change") };
    const data: OpcuaWorkerData = { settings, ...shape, machines: servedMachines(simulation.plant), snapshot: snapshotOf(simulation) };
    // The file keeps its own ending: a published package holds JavaScript.
    const worker = new Worker(new URL(import.meta.url.endsWith(".ts") ? "./opcua-worker.ts" : "./opcua-worker.js", import.meta.url), { workerData: data, name: "opcua-sim" });
    const port = Promise.withResolvers<number>();
    const stopped = Promise.withResolvers<void>();
    port.promise.catch(() => {}); // nobody may be waiting any more
    let ready = false;
    let busy = false;
    let dirty = false;
    const send = (): void => {
      dirty = !ready || busy;
      if (dirty) return;
      busy = true;
      const snapshot = snapshotOf(simulation);
      worker.postMessage({ kind: "values", ...snapshot } satisfies ToServer, [snapshot.values, snapshot.status]);
    };
    const unlisten = simulation.listen({ stepped: send, written: send, impaired: send });
    const end = (reason: string): void => {
      unlisten();
      cancel();
      stopped.resolve();
      if (this.#running?.worker !== worker) return;
      this.#running = undefined;
      if (this.#closed) return;
      log.error("opcua server ended", { reason });
      port.reject(new BusbarError("UNAVAILABLE", `Cannot run the OPC UA server: ${reason}`));
      void worker.terminate();
      this.#options.onLost();
    };
    const cancel = clock.after(startTimeout, () => end(`it did not start within ${startTimeout} ms`));
    worker.on("error", (error: Error) => end(error.message));
    worker.on("exit", () => end("its thread ended"));
    worker.on("message", (message: FromServer) => {
      switch (message.kind) {
        case "listening":
          cancel();
          ready = true;
          port.resolve(message.port);
          log.info("opcua server started", { url: `opc.tcp://${settings.hostname}:${settings.port}` });
          return send();
        case "taken":
          busy = false;
          if (dirty) send();
          return;
        case "question":
          return worker.postMessage({ kind: "answer", id: message.id, answer: answerOpcua(message.question, this.#options) } satisfies ToServer);
        case "log":
          return log[message.level](`node-opcua: ${message.message}`);
        case "failed":
          return end(message.message);
        case "stopped":
          return stopped.resolve();
      }
    });
    const abandon = (): void => port.reject(new BusbarError("UNAVAILABLE", "Cannot run the OPC UA server: it is started anew"));
    return { worker, port: port.promise, stopped: stopped.promise, abandon };
  }
}

/** A copy of all values, to be given away. */
function snapshotOf(simulation: Simulation): Snapshot {
  const { now: at, codes, shift } = simulation;
  const clocks = shift.some((ahead) => ahead !== 0) ? { shift: shift.slice().buffer } : {};
  return { at, values: simulation.values.slice().buffer, status: simulation.status.slice().buffer, codes: [...codes], ...clocks };
}
