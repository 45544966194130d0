import { idText, integer, type DeviceRecord, type Principal } from "@busbar/core";
import * as v from "valibot";
import { defineOperation, type AnyOperation, type ApiParts } from "./operation.ts";
import { Problem } from "./problem.ts";
import { checkMaySee, maySee } from "./rights.ts";
import { device as deviceShape, devicePage } from "./shapes.ts";

type Device = v.InferInput<typeof deviceShape>;

/** Devices and what they reported last: `/api/devices`. */
export function deviceOperations(parts: ApiParts): AnyOperation[] {
  return [
    defineOperation({
      method: "get",
      path: "/api/devices",
      id: "listDevices",
      summary: "Devices in order of id: whoever reported, or is connected now",
      description: "Only those whose `status/<id>` the token may subscribe to.",
      query: v.strictObject({
        limit: v.pipe(v.optional(integer(1, 1000), 100), v.description("Devices per page")),
        cursor: v.pipe(v.optional(idText()), v.description("`next` of the page before")),
      }),
      answers: { 200: { description: "A page", schema: devicePage } },
      handle: async ({ principal, query, context }) => context.json(await listDevices(parts, principal, query)),
    }),
    defineOperation({
      method: "get",
      path: "/api/devices/:id",
      id: "getDevice",
      summary: "One device: presence, last seen, last values",
      description: "A `/` in the id is written `%2F`. Needs the right to subscribe to `status/<id>`.",
      params: v.strictObject({ id: idText() }),
      answers: { 200: { description: "The device", schema: deviceShape } },
      problems: [403, 404],
      async handle({ principal, params, context }) {
        checkMaySee(parts, principal, `status/${params.id}`);
        const record = (await parts.store?.device(params.id)) ?? connectedRecord(parts, params.id);
        if (record === undefined) throw new Problem(404, { code: "NOT_FOUND", detail: `Cannot find the device ${JSON.stringify(params.id)}: it never reported and is not connected` });
        return context.json(withPresence(parts, record));
      },
    }),
  ];
}

async function listDevices(parts: ApiParts, principal: Principal, query: { readonly limit: number; readonly cursor?: string | undefined }): Promise<v.InferInput<typeof devicePage>> {
  const { limit } = query;
  const found = new Map<string, Device>();
  const connected = parts.sessions.list().map(({ principal: id }) => id).filter((id) => query.cursor === undefined || id > query.cursor);
  let after = query.cursor;
  let complete = parts.store === undefined;
  // A page is looked for among at most 10,000 records, so that a token that may see little does not make the store read everything.
  for (let round = 0; round < 10 && !complete && found.size <= limit; round++) {
    const records = await parts.store!.devices({ limit: 1000, ...(after === undefined ? {} : { after }) });
    for (const record of records) if (maySee(parts, principal, `status/${record.id}`)) found.set(record.id, withPresence(parts, record));
    complete = records.length < 1000;
    after = records.at(-1)?.id ?? after;
  }
  for (const id of connected) {
    if (found.has(id) || (!complete && after !== undefined && id > after) || !maySee(parts, principal, `status/${id}`)) continue;
    const record = connectedRecord(parts, id);
    if (record) found.set(id, withPresence(parts, record));
  }
  const devices = [...found.values()].sort((one, other) => (one.id < other.id ? -1 : 1));
  const next = devices.length > limit ? devices[limit - 1]!.id : complete ? undefined : after;
  return { devices: devices.slice(0, limit), ...(next === undefined ? {} : { next }) };
}

/** A device that has a connection and never reported. People and apps have connections too, but are not got by id. */
function connectedRecord(parts: ApiParts, id: string): DeviceRecord | undefined {
  const session = parts.sessions.get(id);
  return session && { id, lastSeen: session.lastSeen, values: {} };
}

function withPresence(parts: ApiParts, record: DeviceRecord): Device {
  const lastSeen = Math.max(record.lastSeen, parts.sessions.get(record.id)?.lastSeen ?? 0);
  return { id: record.id, online: parts.presence.isOnline(record.id, record.lastSeen), lastSeen, values: record.values };
}
