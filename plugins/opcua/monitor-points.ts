import { AttributeIds, DataChangeFilter, DataChangeTrigger, DeadbandType, MonitoringMode, type MonitoredItemCreateRequestOptions } from "node-opcua-client";
import type { Point } from "./point.ts";
import { codeOf } from "./status-code.ts";
import type { Subscriptions } from "./subscriptions.ts";

const triggers = { status: DataChangeTrigger.Status, value: DataChangeTrigger.StatusValue, timestamp: DataChangeTrigger.StatusValueTimestamp } as const;

/**
 * Has points watched, and notes how often the server looks at each. Where the server does not take a point's filter, as many do with a deadband in percent, it is watched without one; `problem` says what else it refuses.
 * Returns those that lost their deadband.
 * @throws {Error} of the client library when a request as a whole fails.
 */
export async function monitorPoints(subscriptions: Subscriptions, points: readonly Point[], options: { readonly perCall: number; readonly signal: AbortSignal }): Promise<readonly Point[]> {
  const refused = await attempt(subscriptions, points, { ...options, filtered: true });
  const unfiltered = refused.filter(({ problem, watching }) => /Filter|Deadband/.test(problem ?? "") && (watching.deadband !== undefined || watching.trigger !== "value"));
  if (unfiltered.length > 0) await attempt(subscriptions, unfiltered, { ...options, filtered: false });
  return unfiltered;
}

async function attempt(subscriptions: Subscriptions, points: readonly Point[], { filtered, ...options }: { readonly perCall: number; readonly signal: AbortSignal; readonly filtered: boolean }): Promise<Point[]> {
  const results = await subscriptions.monitor(points.map((point) => itemOf(point, filtered)), options);
  return points.filter((point, at) => {
    const { statusCode, revisedSamplingInterval } = results[at]!;
    point.sampling = revisedSamplingInterval;
    point.problem = statusCode.isGoodish() ? undefined : (codeOf(statusCode) ?? statusCode.name);
    return point.problem !== undefined;
  });
}

function itemOf({ nodeId, handle, watching }: Point, filtered: boolean): MonitoredItemCreateRequestOptions {
  const { sampling, queue, discardOldest, trigger, deadband } = watching;
  const filter = !filtered || (deadband === undefined && trigger === "value") ? null : new DataChangeFilter({
    trigger: triggers[trigger],
    deadbandType: deadband === undefined ? DeadbandType.None : deadband.kind === "percent" ? DeadbandType.Percent : DeadbandType.Absolute,
    deadbandValue: deadband?.value ?? 0,
  });
  return {
    itemToMonitor: { nodeId: nodeId!, attributeId: AttributeIds.Value },
    monitoringMode: MonitoringMode.Reporting,
    requestedParameters: { clientHandle: handle, samplingInterval: sampling, queueSize: queue, discardOldest, filter },
  };
}
