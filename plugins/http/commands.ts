import { idText, speaksFor } from "@busbar/core";
import * as v from "valibot";
import { defineOperation, type AnyOperation, type ApiParts } from "./operation.ts";
import { Problem } from "./problem.ts";
import { maySee } from "./rights.ts";
import { command, commandInput } from "./shapes.ts";

/** Telling devices what to do: `/api/devices/{id}/commands`, `/api/commands`. */
export function commandOperations(parts: ApiParts): AnyOperation[] {
  return [
    defineOperation({
      method: "post",
      path: "/api/devices/:id/commands",
      id: "sendCommand",
      summary: "Give a device a command",
      description: "It is durable when this answers, and waits for a device that is away. A `/` in the id is written `%2F`. Needs the right to publish `command/<id>`.",
      params: v.strictObject({ id: idText() }),
      body: commandInput,
      answers: { 202: { description: "It is queued; ask /api/commands/{msgid} what became of it", schema: v.object({ msgid: v.string() }) } },
      problems: [403, 503],
      async handle({ principal, params, body, context }) {
        const expires = body.ttl === undefined ? undefined : Math.round(parts.clock.now() + body.ttl * 1000);
        const { msgid } = await parts.bus.as(principal).deliver({ type: "command", to: params.id, payload: body.payload, qos: 1, expires });
        return context.json({ msgid }, 202, { location: `/api/commands/${encodeURIComponent(msgid)}` });
      },
    }),
    defineOperation({
      method: "get",
      path: "/api/commands/:msgid",
      id: "getCommand",
      summary: "How far a command has come",
      description: "Whoever gave it may ask, and whoever may subscribe to `command/<device>`.",
      params: v.strictObject({ msgid: v.pipe(v.string(), v.minLength(1), v.maxBytes(64)) }),
      answers: { 200: { description: "The command", schema: command } },
      problems: [404],
      handle({ principal, params, context }) {
        const found = parts.commands.get(params.msgid, principal.id) ?? parts.commands.get(params.msgid);
        // What may not be seen is not found: the answer does not tell strangers which msgids exist.
        if (found === undefined || !(speaksFor(principal.id, found.from) || maySee(parts, principal, `command/${found.to}`))) {
          throw new Problem(404, { code: "NOT_FOUND", detail: `Cannot find the command ${JSON.stringify(params.msgid)}: none is known by that msgid` });
        }
        return context.json(found);
      },
    }),
  ];
}
