import { isSealed, Opener, type Binding } from "@busbar/client/sealing";
import { BusbarError, formatPayload, isPattern, parsePayload } from "@busbar/core";
import { accessOptions, openAccess } from "../client/access.ts";
import { closeError, openWebSocket } from "../client/web-socket.ts";
import { defineCommand } from "../command.ts";
import { usageFailure } from "../failure.ts";
import { readSealingKey } from "../sealing-keys.ts";
import { oneLine, paint, print } from "../terminal.ts";

type Json = Readonly<Record<string, unknown>>;

/** `busbar tap`: what passes through a running gateway. */
export default defineCommand({
  description: "Prints the messages whose topic matches a pattern (MQTT: + is one level, # is the rest) as they pass, until it is interrupted.",
  positionals: ["pattern"],
  options: {
    since: { kind: "number", value: "offset", min: 0, max: Number.MAX_SAFE_INTEGER, whole: true, text: "first print what the journal holds after this offset" },
    count: { kind: "number", value: "n", min: 1, max: Number.MAX_SAFE_INTEGER, whole: true, text: "end after so many messages" },
    open: { kind: "text", value: "file", many: true, text: "a private key (JWK, busbar keys) that opens sealed payloads; those it does not open are printed as they are" },
    json: { kind: "flag", text: "print each as one line of JSON, as WIRE has it" },
    ...accessOptions,
  },
  examples: [
    ["busbar tap 'status/#' --config examples/default/busbar.yaml", "every status, with a token signed by that config's key"],
    ["busbar tap 'status/plc-101' --since 0 --json | jq .payload", "the history of one device, then live"],
  ],
  async run({ positionals, options }) {
    const [pattern = ""] = positionals;
    if (!isPattern(pattern)) throw usageFailure(`tap: "${oneLine(pattern)}" is no topic pattern, such as status/# or event/+/door`);
    const keys = await Promise.all(options.open.map((file) => readSealingKey(file, "tap")));
    const opener = keys.length === 0 ? undefined : new Opener(keys);
    const access = await openAccess(options, { roles: ["admin"], ttl: 86_400, user: true, protocol: "ws" });
    const { since, count = Number.POSITIVE_INFINITY, json } = options;
    const socket = await openWebSocket(access, "busbar-tap");
    let seen = 0;
    let printed = Promise.resolve(); // in order, though opening takes a while
    return await new Promise<number>((resolve, reject) => {
      socket.on("message", (data: Buffer) => {
        const frame = JSON.parse(data.toString()) as Json;
        if (frame["type"] === "error") return reject(refusalOf(frame));
        if (typeof frame["from"] !== "string" || seen >= count) return;
        seen++;
        const last = seen === count;
        printed = printed.then(async () => {
          const opened = opener === undefined ? frame : await openFrame(frame, opener);
          print(json ? JSON.stringify(opened) : formatMessage(opened));
          if (last) socket.close(1000);
        });
      });
      socket.on("error", reject);
      socket.on("close", (code, reason) => (seen >= count ? resolve(0) : reject(closeError(code, reason.toString()))));
      socket.send(JSON.stringify({ type: "subscribe", topic: pattern, qos: 0, ...(since === undefined ? {} : { since }) }));
    });
  },
});

/** The same with its payload opened, where it is sealed for one of the keys. */
async function openFrame(frame: Json, opener: Opener): Promise<Json> {
  const { from, to = "server", type, msgid, timestamp } = frame as unknown as Binding;
  const payload = parsePayload(frame["payload"]);
  if (!isSealed(payload)) return frame;
  const opened: unknown = await opener.open(payload, { from, to, type, msgid, timestamp }).catch(() => payload);
  return { ...frame, payload: JSON.parse(formatPayload(opened)) as unknown };
}

function refusalOf({ code, message }: Json): Error {
  return new BusbarError(code === "FORBIDDEN" ? "FORBIDDEN" : "UNAVAILABLE", `Cannot subscribe: ${String(message)} (${String(code)})`);
}

/** `12:00:01.123 status/plc-101 {"temperature":23.5}`, with sender, qos and offset where they add something. */
function formatMessage(frame: Json): string {
  const { type, from, to, timestamp, payload, qos, retain, offset } = frame;
  const addressed = to !== undefined && to !== "server";
  const notes = [
    ...(addressed ? [`from ${String(from)}`] : []),
    ...(qos === 0 || qos === undefined ? [] : [`qos ${String(qos)}`]),
    ...(retain === true ? ["retained"] : []),
    ...(offset === undefined ? [] : [`#${String(offset)}`]),
  ];
  const time = new Date(Number(timestamp)).toISOString().slice(11, 23);
  return [paint("dim", time), paint("cyan", oneLine(`${String(type)}/${String(addressed ? to : from)}`)), oneLine(JSON.stringify(payload)), paint("dim", notes.join(" "))].filter((part) => part !== "").join(" ");
}
