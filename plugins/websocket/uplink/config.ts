import { byteSize, duration, field, integer, isId, namesCommands, option, topicPattern, writesField } from "@busbar/core";
import * as v from "valibot";

const patterns = v.pipe(v.array(topicPattern()), v.maxLength(100));
const filePath = v.pipe(v.string(), v.minLength(1), v.maxLength(4096));

const url = v.pipe(
  v.string(),
  v.check((text) => /^wss?:$/.test(URL.parse(text)?.protocol ?? ""), "must be a URL such as wss://cloud.example/ws"),
  v.check((text) => !URL.parse(text)?.username && !URL.parse(text)?.password, "must hold no user name or password; say token"),
);

const fields = v.strictObject({
  url: v.pipe(url, v.description("The upper gateway's WebSocket: wss://host/ws, or ws:// to this machine.")),
  insecure: field(v.boolean(), false, "Allow ws:// to other machines: token and messages then cross the network readable. Default false."),
  id: v.pipe(v.string(), v.check(isId, "must be an id such as plant-7"), v.description("Who this gateway is up there. What its devices say arrives as from <id>/<device>.")),
  token: v.pipe(v.string(), v.minLength(1), v.maxLength(8192), v.description("Token or device secret of that id: ${env:NAME} or ${file:path}.")),
  caFile: option(filePath, "Path of the authorities that sign the upper gateway's certificate, PEM. Default: those the runtime knows."),
  topics: field(v.pipe(patterns, v.minLength(1, "must have at least one entry")), ["status/#", "event/#"], "Topics of what is sent. Default status/# and event/#."),
  allowWrites: writesField("commands that the upper gateway has for <id>/<device> are given to that device, and its answer is sent back"),
  batch: field(
    v.strictObject({
      count: field(integer(1, 1000), 500, "Messages that may be unacknowledged at once. Default 500, 1 to 1000."),
      bytes: field(byteSize(1024, 64 * 1024 ** 2), "1MiB", "Bytes of payload at once, at least one message. Default 1MiB, 1KiB to 64MiB."),
      linger: field(duration(0, 60_000), 0, "How long to wait for more messages. Default 0, 0 to 1m."),
    }),
    {},
    "How much is handed to the connection at once; the place in the journal moves on when all of it is acknowledged.",
  ),
  lanes: field(v.strictObject({ alarm: field(patterns, ["event/#"], "What goes before everything else. Default event/#.") }), {}, "What goes before the rest."),
  overtake: field(duration(0, 86_400_000), "10s", "What could not be sent for so long becomes backfill, and new messages go first. 0 = never: strict order. Default 10s, 0 to 1d."),
  pace: field(integer(0, 1_000_000), 1000, "Messages a second of the backfill; 0 = as many as the upper gateway takes. Default 1000, 0 to 1000000."),
  start: field(v.picklist(["now", "oldest"]), "now", "Where sending begins the first time: with what comes from now on, or with the oldest message of the journal. Default now."),
  reconnect: field(
    v.strictObject({ min: field(duration(10, 600_000), "500ms", "First pause before connecting again. Default 500ms, 10ms to 10m."), max: field(duration(10, 3_600_000), "30s", "Longest pause; pauses double up to it, with jitter. Default 30s, 10ms to 1h.") }),
    {},
    "Pauses between attempts to connect.",
  ),
});

const loopback = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/;

/** The config of an uplink: durations in ms, sizes in bytes. */
export const uplinkConfig = v.pipe(
  fields,
  v.forward(v.check(({ url: text, insecure }) => insecure || !text.startsWith("ws:") || loopback.test(URL.parse(text)?.hostname ?? ""), "must be wss:// beyond this machine; say insecure: true to go without"), ["url"]),
  v.forward(v.check(({ caFile, url: text }) => caFile === undefined || text.startsWith("wss:"), "can only be there with wss://"), ["caFile"]),
  v.forward(v.check(({ topics }) => !namesCommands(topics), "must not name commands: they come down from the upper gateway, they do not go up"), ["topics"]),
  v.forward(v.check(({ reconnect }) => reconnect.min <= reconnect.max, "must have min no greater than max"), ["reconnect"]),
);

/** The checked config of an uplink. */
export type UplinkConfig = v.InferOutput<typeof uplinkConfig>;
