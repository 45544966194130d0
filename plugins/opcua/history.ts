import { HistoryData, HistoryReadRequest, promoteOpaqueStructure, ReadRawModifiedDetails, TimestampsToReturn, type DataValue } from "node-opcua-client";
import { codeOf } from "./status-code.ts";
import type { Point } from "./point.ts";
import type { ServerView } from "./server-view.ts";

/** A stretch of time of one point that is to be filled: `(from, to)`, ms since the Unix epoch, both ends left out. */
export interface HistoryGap {
  readonly point: Point;
  /** Moves on as it is filled. */
  from: number;
  readonly to: number;
}

/** How history is read. */
export interface HistoryOptions {
  /** Values of one node in one answer. */
  readonly page: number;
  /** Nodes in one request. */
  readonly nodes: number;
  readonly signal: AbortSignal;
  /** Takes values of one point, in order of time. What it returns is awaited. */
  readonly onValues: (point: Point, values: readonly DataValue[]) => Promise<void> | undefined;
  /** A gap is filled, or the server has nothing for it. */
  readonly onDone: (gap: HistoryGap) => void;
}

/** What reading history came to. */
export interface HistoryOutcome {
  readonly values: number;
  /** Points whose history the server did not give, by its status code. */
  readonly refused: ReadonlyMap<string, number>;
}

/** A point and where its history goes on. */
interface Open {
  readonly gap: HistoryGap;
  readonly continuationPoint: Buffer | undefined;
}

/**
 * Reads the raw history of gaps (OPC 10000-11 §6.5.3), page by page, at most so many nodes at a time. Gaps that begin at about the same time share a request.
 * @throws {Error} of the client library when the connection ends meanwhile; the signal's reason when it aborts.
 */
export async function readHistory(view: ServerView, gaps: readonly HistoryGap[], options: HistoryOptions): Promise<HistoryOutcome> {
  const sorted = [...gaps].sort((one, other) => one.from - other.from);
  const refused = new Map<string, number>();
  let values = 0;
  const size = Math.min(options.nodes, view.limits.historyRead);
  for (let at = 0; at < sorted.length; at += size) {
    const group = sorted.slice(at, at + size);
    const range = { from: group[0]!.from, to: Math.max(...group.map(({ to }) => to)) };
    let open: Open[] = group.map((gap) => ({ gap, continuationPoint: undefined }));
    while (open.length > 0) {
      options.signal.throwIfAborted();
      const step = await readPage(view, open, { range, options, refused });
      values += step.values;
      open = step.open;
    }
  }
  return { values, refused };
}

async function readPage(view: ServerView, open: readonly Open[], { range, options, refused }: { readonly range: { readonly from: number; readonly to: number }; readonly options: HistoryOptions; readonly refused: Map<string, number> }): Promise<{ readonly values: number; readonly open: Open[] }> {
  const request = new HistoryReadRequest({
    historyReadDetails: new ReadRawModifiedDetails({ isReadModified: false, startTime: new Date(range.from), endTime: new Date(range.to), numValuesPerNode: options.page, returnBounds: false }),
    timestampsToReturn: TimestampsToReturn.Source,
    releaseContinuationPoints: false,
    nodesToRead: open.map(({ gap, continuationPoint }) => ({ nodeId: gap.point.nodeId!, ...(continuationPoint ? { continuationPoint } : {}) })),
  });
  const { results } = await view.session.historyRead(request);
  const next: Open[] = [];
  let count = 0;
  for (const [at, { gap }] of open.entries()) {
    const result = results?.[at];
    if (result === undefined || !result.statusCode.isGoodish()) {
      const code = result === undefined ? "BadUnexpectedError" : (codeOf(result.statusCode) ?? result.statusCode.name);
      refused.set(code, (refused.get(code) ?? 0) + 1);
      options.onDone(gap);
      continue;
    }
    const data = result.historyData instanceof HistoryData ? (result.historyData.dataValues ?? []) : [];
    const wanted = data.filter(({ sourceTimestamp }) => sourceTimestamp !== null && sourceTimestamp.getTime() > gap.from && sourceTimestamp.getTime() < gap.to);
    count += wanted.length;
    if (wanted.length > 0) {
      await promoteOpaqueStructure(view.session, wanted);
      await options.onValues(gap.point, wanted);
      gap.from = wanted.at(-1)!.sourceTimestamp!.getTime();
    }
    if (result.continuationPoint?.length) next.push({ gap, continuationPoint: result.continuationPoint });
    else options.onDone(gap);
  }
  return { values: count, open: next };
}
