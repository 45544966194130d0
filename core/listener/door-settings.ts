import * as v from "valibot";
import { integer } from "../schema.ts";
import { field, option } from "./listener-config.ts";

/** The fields of the `gateway` section about connections of all listeners together. */
export const doorSettings = {
  maxConnections: field(integer(1, 10_000_000), 50_000, "Connections at once of all listeners together, as they share the file descriptors of the process; further ones are closed. The limit of the system (ulimit -n) should be 5000 more. Default 50000, 1 to 10000000."),
  handshakes: field(
    v.strictObject({
      rate: field(integer(0, 1_000_000), 2_000, "Connections a second that may be opened on average, whether or not they come to a login; further ones are closed. 0 = no limit. Default 2000, 0 to 1000000."),
      burst: field(integer(1, 10_000_000), 20_000, "Connections that may be opened at once after a quiet while, such as by a fleet that comes back. Default 20000, 1 to 10000000."),
      addressRate: option(integer(0, 1_000_000), "The same a second from one address, or one IPv6 network of 64 bits. 0 = no limit. Default 100, and no limit from this machine."),
      addressBurst: field(integer(1, 10_000_000), 2_000, "The same at once from one address. Default 2000, 1 to 10000000."),
    }),
    {},
    "How fast connections may be opened, on all listeners together.",
  ),
};

const sample = v.strictObject(doorSettings);

/** They, with all defaults filled in. */
export type DoorSettings = v.InferOutput<typeof sample>;
