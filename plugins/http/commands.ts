import { createMinter, decodePayload, idText, speaksFor, type CommandRecord, type Principal } from "@busbar/core";
import * as v from "valibot";
import { originOf } from "./bearer.ts";
import { defineOperation, type AnyOperation, type ApiParts } from "./operation.ts";
import { Problem } from "./problem.ts";
import { maySee } from "./rights.ts";
import { command, commandInput, commandReceipt } from "./shapes.ts";

/** Telling devices what to do: `/api/devices/{id}/commands`, `/api/commands`. */
export function commandOperations(parts: ApiParts): AnyOperation[] {
  const mint = createMinter();
  return [
    defineOperation({
      method: "post",
      path: "/api/devices/:id/commands",
      id: "sendCommand",
      summary: "Give a device a command",
      description: "It is durable when this answers, and waits for a device that is away. Asked again with the same `msgid` it answers with what became of it and gives nothing twice. A `/` in the id is written `%2F`; `all` and `group/<name>` are ids too. Needs the right to publish `command/<id>`.",
      params: v.strictObject({ id: idText() }),
      body: commandInput,
      answers: {
        200: { description: "It is over: done, failed or expired", schema: command },
        202: { description: "It is on its way; ask /api/commands/{msgid} what became of it", schema: commandReceipt },
      },
      problems: [403, 409, 503],
      async handle({ principal, params, body, context }) {
        const { payload, msgid = mint(), ttl, deadline = ttl === undefined ? undefined : Math.round(parts.clock.now() + ttl * 1000), replace, wait = 0 } = body;
        if (parts.config.signed === "require") throw new Problem(403, { code: "FORBIDDEN", detail: "Cannot give a command here: this listener requires signed messages, and POST /api/messages takes them" });
        await parts.bus.as(principal, originOf(context)).deliver({ type: "command", to: params.id, msgid, payload: decodePayload(payload), qos: 1, expires: deadline, replace });
        const found = await outcome(parts, principal, { msgid, wait, signal: context.req.raw.signal });
        if (found !== undefined && found.to !== params.id) throw new Problem(409, { detail: `Cannot give the command: the msgid is that of one to ${JSON.stringify(found.to)}` });
        if (found !== undefined && found.state !== "queued" && found.state !== "sent") return context.json(found);
        return context.json({ msgid, state: found?.state ?? "queued" }, 202, { location: `/api/commands/${encodeURIComponent(msgid)}` });
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

/** What has become of a command, once it is over or `wait` ms have passed. */
async function outcome({ commands, clock }: ApiParts, { id }: Principal, options: { readonly msgid: string; readonly wait: number; readonly signal: AbortSignal }): Promise<CommandRecord | undefined> {
  const { msgid, wait, signal } = options;
  if (wait > 0 && !signal.aborted) {
    const enough = new AbortController();
    const stop = (): void => enough.abort();
    signal.addEventListener("abort", stop, { once: true }); // who asked has gone
    const cancel = clock.after(wait, stop);
    await commands.ended(msgid, { from: id, signal: enough.signal }).catch(() => {}); // not over in time: how far it has come is the answer
    cancel();
    signal.removeEventListener("abort", stop);
  }
  return commands.get(msgid, id);
}
