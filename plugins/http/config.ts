import { byteSize, duration, integer, portNumber, signedField, tlsField } from "@busbar/core";
import * as v from "valibot";
import { otherOrigin, siteFields } from "./site-config.ts";

/** The config of the http plugin. Every key has a default: `http: {}` listens on 127.0.0.1:8080. */
export const httpConfig = v.strictObject({
  port: v.pipe(v.optional(portNumber(), 8080), v.description("TCP port; 0 takes any free one")),
  host: v.pipe(v.optional(v.pipe(v.string(), v.minLength(1)), "127.0.0.1"), v.description("Address to listen on; beyond loopback it wants tls, or insecure: true")),
  tls: tlsField(),
  insecure: v.pipe(v.optional(v.boolean(), false), v.description("Allow plain http beyond loopback: tokens and values then cross the network readable")),
  bodyLimit: v.pipe(v.optional(byteSize(1024, 1024 ** 3), 1024 ** 2), v.description("Largest request body in bytes, 1KiB to 1GiB")),
  nesting: v.pipe(v.optional(integer(1, 64), 64), v.description("Levels of arrays and objects in a request body, 1 to 64")),
  cors: v.pipe(
    v.optional(v.strictObject({ origins: v.pipe(v.optional(v.pipe(v.array(otherOrigin), v.maxLength(100)), []), v.description("Origins whose pages may call the API")) }), {}),
    v.description("Which other web sites' pages may call the API; none by default"),
  ),
  ...siteFields,
  console: v.pipe(v.optional(v.boolean(), true), v.description("Serve the console page at / and print a one-time link to it at start")),
  metrics: v.pipe(v.optional(v.picklist(["token", "loopback", "open"]), "loopback"), v.description("Who may read /metrics besides holders of the right: nobody, this machine, or anybody")),
  presence: v.pipe(v.optional(duration(1000, 86_400_000), 60_000), v.description("A device without a connection of its own counts as online for so long after its last report, 1s to 1d")),
  signed: signedField,
  timeouts: v.pipe(
    v.optional(
      v.strictObject({
        headers: v.pipe(v.optional(duration(100, 600_000), 10_000), v.description("Until the request head has come, 100ms to 10m")),
        request: v.pipe(v.optional(duration(100, 600_000), 30_000), v.description("Until the whole request has come, 100ms to 10m; at least headers")),
      }),
      {},
    ),
    v.description("Against clients that send slowly or not at all"),
  ),
  perAddress: v.pipe(v.optional(integer(1, 1_000_000)), v.description("Open connections from one address, or one IPv6 network of 64 bits, WebSockets included; more are closed. By default 1,200, and no limit from this machine")),
  maxConnections: v.pipe(v.optional(integer(1, 1_000_000), 20_000), v.description("Open connections, WebSockets included; more are closed, 1 to 1,000,000")),
});

/** The checked config of the http plugin: durations in ms, sizes in bytes. */
export type HttpConfig = v.InferOutput<typeof httpConfig>;
