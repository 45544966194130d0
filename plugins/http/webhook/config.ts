import { byteSize, commandsNeedWrites, duration, integer, namesCommands, topicPattern, writesField } from "@busbar/core";
import * as v from "valibot";
import { isLoopback } from "../bearer.ts";

const topics = (fallback: readonly string[], text: string) => v.pipe(v.optional(v.pipe(v.array(topicPattern()), v.maxLength(100)), [...fallback]), v.description(text));
const filePath = v.pipe(v.string(), v.minLength(1));

const url = v.pipe(
  v.string(),
  v.check((text) => /^https?:$/.test(URL.parse(text)?.protocol ?? ""), "must be a URL such as https://erp.example/busbar"),
  v.check((text) => !URL.parse(text)?.username && !URL.parse(text)?.password, "must hold no user name or password; use headers"),
);

const headers = v.pipe(
  v.record(v.pipe(v.string(), v.regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, "must be the name of a header")), v.pipe(v.string(), v.regex(/^[\t\x20-\x7e]*$/, "must be printable ASCII"))),
  v.check((value) => !Object.keys(value).some((name) => ownHeaders.has(name.toLowerCase())), "must not set content-type, content-length, content-encoding, transfer-encoding, host, connection or idempotency-key"),
);

const ownHeaders: ReadonlySet<string> = new Set(["content-type", "content-length", "content-encoding", "transfer-encoding", "host", "connection", "idempotency-key"]);

/** The config of a webhook sink: only `url` has no default. */
export const webhookConfig = v.pipe(
  v.strictObject({
    url: v.pipe(url, v.description("Where batches are sent; https, or http to this machine")),
    insecure: v.pipe(v.optional(v.boolean(), false), v.description("Allow http to other machines: what is sent then crosses the network readable")),
    topics: topics(["status/#", "event/#"], "Topics that are sent: at most 100 patterns"),
    allowWrites: writesField("commands are sent; other patterns that happen to match commands leave them out"),
    method: v.pipe(v.optional(v.picklist(["POST", "PUT"]), "POST"), v.description("How a batch is sent")),
    headers: v.pipe(v.optional(headers, {}), v.description("Headers of each request, such as authorization: ${env:ERP_TOKEN}; never logged")),
    format: v.pipe(v.optional(v.picklist(["envelopes", "ndjson", "cloudevents"]), "envelopes"), v.description("envelopes: {lane, late, messages: […]}; ndjson: an envelope a line; cloudevents: a CloudEvents 1.0 JSON batch")),
    compress: v.pipe(v.optional(v.picklist(["none", "gzip"]), "none"), v.description("Content-Encoding of the body")),
    secret: v.pipe(v.optional(v.pipe(v.string(), v.minLength(16), v.maxLength(1024))), v.description("Signs each request: X-Busbar-Signature: t=<seconds>,v1=<hex HMAC-SHA-256 of \"<seconds>.<body>\">, 16 to 1024 characters")),
    batch: v.pipe(
      v.optional(
        v.strictObject({
          count: v.pipe(v.optional(integer(1, 10_000), 500), v.description("Messages of one request at the most, 1 to 10000")),
          bytes: v.pipe(v.optional(byteSize(1, 64 * 1024 ** 2), 256 * 1024), v.description("Bytes of payload of one request at the most, 1 to 64MiB; one message goes however large it is")),
          linger: v.pipe(v.optional(duration(0, 60_000), 1000), v.description("How long a request waits for more messages, 0 to 60s")),
        }),
        {},
      ),
      v.description("How much goes into one request"),
    ),
    timeout: v.pipe(v.optional(duration(10, 600_000), 30_000), v.description("How long a request may take until its whole answer has come, 10ms to 10m")),
    maxRetryAfter: v.pipe(v.optional(duration(100, 3_600_000), 300_000), v.description("The longest Retry-After that is obeyed, 100ms to 1h")),
    lanes: v.pipe(
      v.optional(v.strictObject({ alarm: topics(["event/#"], "What goes before everything else"), command: topics(["command/#"], "What goes next") }), {}),
      v.description("Of the topics that are sent, which go first"),
    ),
    overtake: v.pipe(v.optional(v.union([v.literal("never"), duration(100, 86_400_000)]), 10_000), v.description("After an outage, what waited longer than this is sent after what is new, flagged late; never: strictly in order. 100ms to 1d")),
    pace: v.pipe(v.optional(integer(0, 1_000_000), 1000), v.description("Late messages a second at the most while catching up; 0 = no limit")),
    late: v.pipe(v.optional(duration(0, 86_400_000), 60_000), v.description("A message that arrived longer ago than this is flagged late, 0 to 1d")),
    start: v.pipe(v.optional(v.picklist(["oldest", "now"]), "oldest"), v.description("Where the very first start begins: with the oldest message there is, or with what comes from now on")),
    tls: v.pipe(
      v.optional(
        v.strictObject({
          caFile: v.pipe(v.optional(filePath), v.description("Authorities that the server's certificate is checked against, PEM. Default: those the runtime knows")),
          certFile: v.pipe(v.optional(filePath), v.description("Client certificate chain, PEM")),
          keyFile: v.pipe(v.optional(filePath), v.description("Its private key, PEM")),
        }),
      ),
      v.description("For servers with a certificate authority of their own, or that ask for a client certificate"),
    ),
  }),
  v.forward(v.check(({ allowWrites, topics }) => allowWrites || !namesCommands(topics), commandsNeedWrites), ["topics"]),
  v.forward(v.check(({ url: text, insecure }) => insecure || !text.startsWith("http:") || isLoopback((URL.parse(text)?.hostname ?? "").replace(/^\[(.*)\]$/, "$1")), "must be https beyond this machine; say insecure: true to go without"), ["url"]),
);

/** The checked config of a webhook sink: durations in ms, sizes in bytes. */
export type WebhookConfig = v.InferOutput<typeof webhookConfig>;
