import { BusbarError, errorCode, gatewayTypes, retryDelay, type Clock } from "@busbar/core";
import type { Access } from "../client/access.ts";
import { closeError, openWebSocket } from "../client/web-socket.ts";
import type { RecordedMessage, RecordingGap } from "./recording-file.ts";
import { redactPayload, type RedactPaths } from "./redact.ts";

/** What is recorded, and how. */
export interface RecorderOptions {
  readonly access: Access;
  readonly pattern: string;
  /** First what the journal holds after this offset. */
  readonly since?: number | undefined;
  readonly redact: RedactPaths;
  readonly clock: Clock;
  /** Ends the recording. */
  readonly signal: AbortSignal;
  /** Takes what is recorded; the recorder reads no further before it resolves. */
  readonly take: (line: RecordedMessage | RecordingGap) => Promise<void>;
  /** Called once, when the first connection stands. */
  readonly started: () => void;
  /** Hears of what goes wrong and is tried again. */
  readonly warn: (text: string) => void;
}

type Frame = Readonly<Record<string, unknown>>;

/**
 * Records until the signal aborts. A connection that breaks is made anew and goes on after the last offset, so that nothing of qos 1 and 2 is missing; for the rest a
 * gap is noted. Where the journal does not hold what comes next any more, or is another one, it goes on with the oldest there is, and the gap says so.
 * @throws {BusbarError} when the first connection fails, or the gateway refuses the token or the pattern.
 */
export async function record(options: RecorderOptions): Promise<void> {
  const { access, clock, signal, take, warn } = options;
  let { since } = options;
  let epoch: unknown;
  let lost: number | undefined;
  let oldest: number | undefined;
  let warned = "";
  let connected = false;
  for (let attempt = 0; !signal.aborted; attempt++) {
    try {
      const connection = await openConnection(options, { since, epoch });
      if (lost !== undefined) await take({ gap: { from: lost, to: clock.now(), ...(oldest === undefined ? {} : { oldest }) } });
      if (!connected) options.started();
      connected = true;
      lost = oldest = undefined;
      for await (const frame of connection) {
        const offset = frame["offset"] as number | undefined;
        if (frame["type"] === "subscribed") {
          since ??= offset;
          epoch = frame["epoch"];
          attempt = 0;
          if (warned !== "") warn(`goes on at ${access.url.href}`);
          warned = "";
          continue;
        }
        if (offset !== undefined && since !== undefined && offset > since) since = offset;
        const message = toRecorded(frame, options, connection.began);
        if (message) await take(message);
        if (signal.aborted) return;
      }
    } catch (error) {
      const final = errorCode(error) === "UNAUTHENTICATED" || errorCode(error) === "FORBIDDEN";
      if (signal.aborted) return;
      if (final || !connected) throw error;
      lost ??= clock.now();
      if (error instanceof BusbarError && error.resumeAfter !== undefined) {
        since = error.resumeAfter;
        epoch = undefined;
        oldest = since + 1;
      }
      const text = (error as Error).message;
      if (text !== warned) warn(`${text}; trying again`);
      warned = text;
      await clock.sleep(retryDelay(attempt), signal).catch(() => {});
    }
  }
}

interface Connection extends AsyncIterable<Frame> {
  /** Milliseconds since the Unix epoch: when the subscription began. */
  readonly began: number;
}

async function openConnection({ access, pattern, clock, signal }: RecorderOptions, place: { readonly since: number | undefined; readonly epoch: unknown }): Promise<Connection> {
  const socket = await openWebSocket(access, "busbar-record");
  const began = clock.now();
  const frames: Frame[] = [];
  let ended: Error | undefined;
  let wake = (): void => {};
  socket.on("message", (data: Buffer) => {
    frames.push(JSON.parse(data.toString()) as Frame);
    if (frames.length > 1000) socket.pause(); // the gateway then reads the journal for us when there is room again
    wake();
  });
  socket.on("error", () => {});
  socket.on("close", (code, reason) => {
    ended = closeError(code, reason.toString());
    wake();
  });
  const stop = (): void => socket.close(1000);
  signal.addEventListener("abort", stop, { once: true });
  socket.send(JSON.stringify({ type: "subscribe", topic: pattern, qos: 0, ...place }));
  return {
    began,
    async *[Symbol.asyncIterator]() {
      try {
        for (;;) {
          const frame = frames.shift();
          if (frame === undefined) {
            if (signal.aborted) return;
            if (ended) throw ended;
            socket.resume();
            await new Promise<void>((resolve) => (wake = resolve));
          } else if (frame["type"] === "error") throw refusal(frame);
          else yield frame;
        }
      } finally {
        signal.removeEventListener("abort", stop);
        socket.terminate();
      }
    },
  };
}

function refusal({ code, message, oldest }: Frame): BusbarError {
  const text = `Cannot record: ${String(message)} (${String(code)})`;
  if (code === "UNKNOWN_OFFSET" && typeof oldest === "number") return new BusbarError("UNKNOWN_OFFSET", text, { resumeAfter: oldest - 1 });
  return new BusbarError(code === "FORBIDDEN" ? "FORBIDDEN" : "UNAVAILABLE", text);
}

/** An envelope as it is written down, or undefined for what is not recorded. */
function toRecorded(frame: Frame, { pattern, redact, clock }: RecorderOptions, began: number): RecordedMessage | undefined {
  const { ver: _ver, ...envelope } = frame;
  const { type, from, timestamp, payload } = envelope;
  if (typeof from !== "string" || typeof type !== "string") return undefined;
  if (gatewayTypes.has(type) && pattern.split("/")[0] !== type) return undefined;
  const fromJournal = envelope["offset"] !== undefined && (timestamp as number) < began - 1000; // caught up with: it did not pass now
  return { ...envelope, payload: redactPayload(payload, redact), ...(fromJournal ? {} : { received: clock.now() }) } as unknown as RecordedMessage;
}
