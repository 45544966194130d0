import { createReadStream } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import process from "node:process";
import { Transform, Writable, type Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip, constants } from "node:zlib";
import { BusbarError } from "@busbar/core";

/** One message of a recording: an envelope as WIRE §1 has it in JSON. */
export interface RecordedMessage {
  readonly msgid: string;
  /** Milliseconds since the Unix epoch, at the source. */
  readonly timestamp: number;
  readonly from: string;
  readonly to: string;
  readonly type: string;
  readonly payload: unknown;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly expires?: number;
  /** Its place in the journal it was recorded from. */
  readonly offset?: number;
  /** Milliseconds since the Unix epoch: when it passed; absent where it came from the past, then `timestamp` is its time. */
  readonly received?: number;
}

/** The first line of a recording. */
export interface RecordingHeader {
  readonly busbar: "recording";
  readonly version: 1;
  /** Milliseconds since the Unix epoch. */
  readonly started: number;
  readonly pattern: string;
  /** Where it was recorded: a URL without credentials, or a file. */
  readonly source: string;
}

/** A time in which the recorder was not connected, ms since the Unix epoch: messages of qos 0 may be missing, and what the journal held before the offset `oldest`. */
export interface RecordingGap {
  readonly gap: { readonly from: number; readonly to: number; readonly oldest?: number };
}

/** When a recorded message happened, in milliseconds since the Unix epoch. */
export const timeOf = ({ received, timestamp }: RecordedMessage): number => received ?? timestamp;

/** Writes a recording: JSON lines, gzipped where the name ends in .gz. */
export interface RecordingWriter {
  /** Resolves when there is room for more. */
  write(line: RecordedMessage | RecordingGap): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens a recording for writing: a file, which must not exist yet, or stdout where `path` is undefined.
 * @throws {BusbarError} IO when the file cannot be made.
 */
export async function createRecording(path: string | undefined, header: RecordingHeader): Promise<RecordingWriter> {
  const sink: Writable = path === undefined ? withoutEnd(process.stdout) : (await openNew(path)).createWriteStream();
  const stream: Transform = path?.endsWith(".gz") ? createGzip({ flush: constants.Z_SYNC_FLUSH }) : new Transform({ transform: (chunk, _encoding, done) => done(null, chunk) });
  let failure: unknown;
  const done = pipeline(stream, sink).catch((error: unknown) => void (failure = error));
  const check = (): void => {
    if (failure !== undefined) throw new BusbarError("IO", `Cannot write ${path ?? "to stdout"}`, { cause: failure });
  };
  const write = async (line: object): Promise<void> => {
    check();
    if (!stream.write(JSON.stringify(line) + "\n")) await Promise.race([new Promise<void>((resolve) => stream.once("drain", resolve)), done]);
    check();
  };
  await write(header);
  return {
    write,
    async close() {
      stream.end();
      await done;
      check();
    },
  };
}

async function openNew(path: string): Promise<FileHandle> {
  try {
    return await open(path, "wx", 0o600);
  } catch (error) {
    throw new BusbarError("IO", `Cannot make ${path}`, { cause: error });
  }
}

/** Stdout stays open when a recording that goes there ends. */
function withoutEnd(stream: Writable): Writable {
  return new Writable({ write: (chunk: Buffer, _encoding, done) => void stream.write(chunk, done) });
}

/**
 * Reads the messages of a recording, in order, without holding it in memory. `warn` hears of what is missing: gaps, and an end that was cut off.
 * @throws {BusbarError} IO when it cannot be read; CONFIG when it is no recording, with the line.
 */
export async function* readRecording(path: string, warn: (text: string) => void): AsyncGenerator<RecordedMessage> {
  let number = 0;
  let broken: number | undefined;
  for await (const line of readLines(path)) {
    number++;
    if (broken !== undefined) throw new BusbarError("CONFIG", `Cannot read ${path}: line ${broken} is no envelope`);
    const value = parseLine(line);
    if (number === 1) {
      if (!isHeader(value)) throw new BusbarError("CONFIG", `Cannot read ${path}: it is no recording of version 1 (its first line is {"busbar":"recording","version":1,…})`);
    } else if (isGap(value)) warn(`the recorder was not connected from ${new Date(value.gap.from).toISOString()} to ${new Date(value.gap.to).toISOString()}: messages of qos 0 may be missing${value.gap.oldest === undefined ? "" : `, and stored ones before offset ${value.gap.oldest}`}`);
    else if (isMessage(value)) yield value;
    else broken = number; // the last line may have been cut off
  }
  if (number === 0) throw new BusbarError("CONFIG", `Cannot read ${path}: it is empty`);
  if (broken !== undefined) warn(`line ${broken}, the last one, was cut off`);
}

/** The lines of a file, or of stdin for "-". The end of one that was cut off while it was written is read as far as it goes. */
async function* readLines(path: string): AsyncGenerator<string> {
  const raw: Readable = path === "-" ? process.stdin : createReadStream(path);
  const unzip = createGunzip({ finishFlush: constants.Z_SYNC_FLUSH });
  const input = path.endsWith(".gz") ? raw.on("error", (error) => unzip.destroy(error)).pipe(unzip) : raw;
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for await (const chunk of input as AsyncIterable<Buffer>) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop()!;
      yield* lines;
    }
  } catch (error) {
    throw new BusbarError("IO", `Cannot read ${path}`, { cause: error });
  }
  if (rest !== "") yield rest;
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null;
const isHeader = (value: unknown): boolean => isObject(value) && value["busbar"] === "recording" && value["version"] === 1;
const isGap = (value: unknown): value is RecordingGap => isObject(value) && isObject(value["gap"]) && Number.isFinite(value["gap"]["from"]) && Number.isFinite(value["gap"]["to"]);

function isMessage(value: unknown): value is RecordedMessage {
  if (!isObject(value)) return false;
  const { msgid, timestamp, from, to, type, qos, retain, received } = value;
  return [msgid, from, to, type].every((one) => typeof one === "string") && Number.isFinite(timestamp) && [0, 1, 2].includes(qos as number) && typeof retain === "boolean" && (received === undefined || Number.isFinite(received)) && "payload" in value;
}
