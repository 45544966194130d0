import { BusbarError, type Quality, type Store, type StoredReading } from "@busbar/core";

/** What of a device is exported, and how. */
export interface ExportPlan {
  readonly device: string;
  /** undefined = every tag. */
  readonly tag?: string | undefined;
  readonly since: number;
  readonly until: number;
  readonly quality?: Quality | undefined;
  readonly format: keyof typeof exportFormats;
  readonly time: "ms" | "iso";
}

/** What an export works with. */
export interface ExportOptions {
  readonly store: Store;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** Whether the rights of whoever asked still stand: asked before each page. */
  readonly mayGoOn: () => boolean;
}

/** The media types, by the name of the format. */
export const exportFormats = { csv: "text/csv; charset=utf-8; header=present", jsonl: "application/x-ndjson" } as const;

interface Row {
  readonly device: string;
  readonly tag: string;
  readonly unit: string | undefined;
  readonly reading: StoredReading;
}

/** Readings of one page: they are in memory at once, and formatted in one go. */
const pageSize = 2000;
const columns = ["device", "tag", "timestamp", "received", "value", "unit", "quality", "code"];

/** Streams readings as they were stored, a page when the client has taken the one before. What goes wrong before the first page is thrown, what goes wrong later cuts the stream off. */
export async function exportSeries(plan: ExportPlan, options: ExportOptions): Promise<Response> {
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const chunks = chunksOf(plan, { ...options, signal });
  let first: IteratorResult<string, void> | undefined = await chunks.next();
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = first ?? (await chunks.next());
        first = undefined;
        if (done) controller.close();
        else controller.enqueue(encoder.encode(value));
      },
      cancel: () => stop.abort(),
    },
    { highWaterMark: 1 },
  );
  const name = [plan.device, plan.tag].join(" ").trim().replace(/[^A-Za-z0-9._-]+/g, "-").slice(0, 100);
  return new Response(body, { headers: { "content-type": exportFormats[plan.format], "content-disposition": `attachment; filename="${name}.${plan.format}"` } });
}

async function* chunksOf(plan: ExportPlan, { store, signal, mayGoOn }: ExportOptions): AsyncGenerator<string, void> {
  const { device, until, quality, format } = plan;
  const line = format === "csv" ? csvLine(plan.time) : jsonLine(plan.time);
  let text = format === "csv" ? columns.join(",") + "\r\n" : "";
  const tags = plan.tag === undefined ? Object.keys((await store.device(device))?.values ?? {}) : [plan.tag];
  for (const tag of tags) {
    for (let since: number | undefined = plan.since; since !== undefined; ) {
      if (!mayGoOn()) throw new BusbarError("FORBIDDEN", `Cannot go on with the export of "${device}": the right to it is gone`);
      const { readings, unit, next } = await store.readings({ device, tag, since, until, quality, limit: pageSize, signal });
      for (const reading of readings) text += line({ device, tag, unit, reading });
      if (text.length > 0) yield text;
      text = "";
      since = next;
    }
  }
  if (text.length > 0) yield text;
}

function csvLine(time: ExportPlan["time"]): (row: Row) => string {
  const at = time === "ms" ? String : isoTime;
  return ({ device, tag, unit = "", reading }) => {
    const { time, received, value, quality, code = "" } = reading;
    return `${csvText(device)},${csvText(tag)},${at(time)},${received === undefined ? "" : at(received)},${value ?? ""},${csvText(unit)},${quality},${csvText(code)}\r\n`;
  };
}

function jsonLine(time: ExportPlan["time"]): (row: Row) => string {
  const at = (ms: number): number | string => (time === "ms" ? ms : isoTime(ms));
  return ({ device, tag, unit, reading }) => {
    const { time, received, value, quality, code } = reading;
    return JSON.stringify({ device, tag, timestamp: at(time), ...(received === undefined ? {} : { received: at(received) }), value, ...(unit === undefined ? {} : { unit }), quality, ...(code === undefined ? {} : { code }) }) + "\n";
  };
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

/** A field of text (RFC 4180 §2). A spreadsheet would take one that begins like a formula for one and run it: a `'` keeps it text. */
function csvText(text: string): string {
  const safe = /^[=+\-@\t\r\n]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
