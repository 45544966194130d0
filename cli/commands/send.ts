import { randomUUID } from "node:crypto";
import process from "node:process";
import { text } from "node:stream/consumers";
import { BusbarError, isId, isType } from "@busbar/core";
import { accessOptions, openAccess } from "../client/access.ts";
import { defineCommand } from "../command.ts";
import { Failure, usageFailure } from "../failure.ts";
import { oneLine, print } from "../terminal.ts";

/** `busbar send`: one message to a running gateway. */
export default defineCommand({
  description: "Sends one message. The payload is JSON, or - for JSON on stdin. At qos 1 and 2 it prints the message's place in the journal once it is durable.",
  positionals: ["type", "payload"],
  options: {
    from: { kind: "text", value: "id", text: "who says it (default: whom the token is for, else busbar-send)" },
    to: { kind: "text", value: "id", text: "whom it is for (default: nobody in particular)" },
    qos: { kind: "choice", of: ["0", "1", "2"], text: "at most once, at least once, exactly once", fallback: "1" },
    retain: { kind: "flag", text: "keep it as the last value of its topic" },
    json: { kind: "flag", text: 'print {"msgid","offset"}' },
    ...accessOptions,
  },
  examples: [
    [`busbar send command '{"on":true}' --to lamp-1`, "switch a lamp"],
    ["echo '{\"temperature\":23.5}' | busbar send status - --from sensor-1", "report a value in the name of a device"],
  ],
  async run({ positionals, options }) {
    const [type = "", word = ""] = positionals;
    const { from, to, retain } = options;
    if (!isType(type)) throw usageFailure(`send: "${oneLine(type)}" is no type, such as status, command or event`);
    for (const [name, id] of [["from", from], ["to", to]] as const) if (id !== undefined && !isId(id)) throw usageFailure(`send: --${name} "${oneLine(id)}" is no id`);
    const payload = parsePayload(word === "-" ? await text(process.stdin) : word);
    const access = await openAccess(options, { roles: ["admin"], ttl: 60, user: true, protocol: "ws" });
    const message = { type, payload, msgid: randomUUID(), qos: Number(options.qos), retain, ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
    const receipt = await post(access.url, await access.tokenFor(from ?? "busbar-send"), message);
    if (options.json) print(JSON.stringify(receipt));
    else print(receipt.offset === undefined ? `sent ${receipt.msgid}` : `sent ${receipt.msgid}, offset ${receipt.offset}`);
    return 0;
  },
});

function parsePayload(word: string): unknown {
  try {
    return JSON.parse(word);
  } catch (error) {
    throw new Failure(65, [`busbar: send: the payload is not JSON (${oneLine((error as SyntaxError).message)}); text is written '"text"'`]);
  }
}

/** `POST /api/messages` (WIRE §4) at the server that has the WebSocket URL. */
async function post(socketUrl: URL, token: string, message: object): Promise<{ readonly msgid: string; readonly offset?: number }> {
  const url = new URL("/api/messages", socketUrl.href.replace(/^ws/, "http"));
  let response: Response;
  try {
    response = await fetch(url, { method: "POST", headers: { authorization: `Bearer ${token}`, "content-type": "application/json" }, body: JSON.stringify(message), signal: AbortSignal.timeout(30_000) });
  } catch (error) {
    throw new BusbarError("UNAVAILABLE", `Cannot send to ${url.href}`, { cause: error });
  }
  if (response.ok) return (await response.json()) as { readonly msgid: string; readonly offset?: number };
  throw refusal(response.status, await response.text());
}

/** An answer of RFC 9457 as an error. */
function refusal(status: number, body: string): Error {
  let detail = "";
  try {
    const problem = JSON.parse(body) as { readonly title?: unknown; readonly detail?: unknown };
    detail = String(problem.detail ?? problem.title ?? "");
  } catch {
    detail = body.slice(0, 200); // what answers there is no gateway
  }
  const text = `the gateway answers ${status}${detail === "" ? "" : `: ${detail}`}`;
  if (status === 401 || status === 403) return new BusbarError("FORBIDDEN", `Cannot send: ${text}`);
  return status < 500 ? new Failure(65, [`busbar: cannot send: ${oneLine(text)}`]) : new BusbarError("UNAVAILABLE", `Cannot send: ${text}`);
}
