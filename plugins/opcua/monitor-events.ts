import type { MonitoredItemCreateRequestOptions, MonitoredItemCreateResult, NodeId } from "node-opcua-client";
import type { Alarms } from "./alarms.ts";
import { eventFields, eventItem, fieldsTaken } from "./event-fields.ts";

/** A node whose events are wanted, and the handle of its item. */
export interface EventSource {
  readonly nodeId: NodeId;
  readonly handle: number;
}

/**
 * Subscribes to the events of nodes, with all fields that the server has: where it refuses an item for fields that it does not have, it is asked again without these. The results are in the order of the sources.
 * @throws {Error} of the client library when a request as a whole fails.
 */
export async function monitorEvents(sources: readonly EventSource[], { alarms, monitor }: { readonly alarms: Alarms; readonly monitor: (items: readonly MonitoredItemCreateRequestOptions[]) => Promise<MonitoredItemCreateResult[]> }): Promise<MonitoredItemCreateResult[]> {
  for (const { handle } of sources) alarms.selects(handle, eventFields);
  const results = await monitor(sources.map(({ nodeId, handle }) => eventItem(nodeId, { handle })));
  const again = sources.flatMap((source, at) => {
    const fields = fieldsTaken(results[at]!, eventFields);
    return fields === undefined ? [] : [{ ...source, at, fields }];
  });
  if (again.length === 0) return results;
  for (const { handle, fields } of again) alarms.selects(handle, fields); // before the first event can come
  const second = await monitor(again.map(({ nodeId, handle, fields }) => eventItem(nodeId, { handle, fields })));
  for (const [place, { at }] of again.entries()) results[at] = second[place]!;
  return results;
}
