import { byteSize, duration, field, integer, sessionFields, waitingLineFields } from "@busbar/core";
import * as v from "valibot";

const fields = v.strictObject({
  path: field(v.pipe(v.string(), v.regex(/^\/[A-Za-z0-9/_-]*$/, "must be a path such as /ws")), "/ws", "Path of the upgrade request. Default /ws."),
  binary: field(v.picklist(["iot-data", "user-inform"]), "iot-data", "What a binary frame on a JSON session is: iot-data or user-inform. Default iot-data."),
  frameLimit: field(byteSize(1024, 64 * 1024 ** 2), "1MiB", "Largest frame; a larger one closes with 1009. Default 1MiB, 1KiB to 64MiB."),
  maxConnections: field(integer(1, 1_000_000), 16_000, "Sessions at once; further connections wait. Together with those that wait it should stay below http's maxConnections. Default 16000."),
  perAddress: v.pipe(v.optional(integer(1, 1_000_000)), v.description("Connections at once from one address; a further one closes with 1013. Default 1000, and no limit from this machine.")),
  waitingLine: field(
    v.strictObject({
      ...waitingLineFields,
      bytes: field(byteSize(0, 1024 ** 3), "16MiB", "What all who wait may have sent together; more stays in the network until their turn comes. Default 16MiB, up to 1GiB."),
    }),
    {},
    "What happens when all places are taken.",
  ),
  ping: field(duration(100, 3_600_000), "30s", "A ping is sent every so often. Default 30s."),
  idleTimeout: field(duration(200, 86_400_000), "90s", "A peer without any sign of life for so long is closed with 4001; more than ping. Default 90s."),
  authTimeout: field(duration(10, 600_000), "5s", "How long a client may take to authenticate before it is closed with 4401. Default 5s."),
  compression: field(
    v.strictObject({
      enabled: field(v.boolean(), false, "Offer permessage-deflate (RFC 7692). About 45 times slower; default false."),
      threshold: field(byteSize(0, 64 * 1024 ** 2), "1KiB", "Smaller messages are sent uncompressed. Default 1KiB."),
    }),
    {},
    "Compression, off unless asked for.",
  ),
  ...sessionFields(),
});

/** What a listener's config may say. */
export const configSchema = v.pipe(
  fields,
  v.forward(v.check<v.InferOutput<typeof fields>, string>(({ ping, idleTimeout }) => idleTimeout > ping, "must be more than ping: nobody could answer one in time"), ["idleTimeout"]),
);

/** The config with all defaults filled in: durations in ms, sizes in bytes. */
export type WebSocketConfig = v.InferOutput<typeof configSchema>;
