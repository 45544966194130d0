import * as v from "valibot";
import { duration, integer } from "../../schema.ts";

/** Whether a listener takes signed messages. */
export type SignedMode = "off" | "accept" | "require";

/** The config field of a listener that can hear signed messages. */
export const signedField = v.pipe(
  v.optional(v.picklist(["off", "accept", "require"]), "off"),
  v.description("Signed messages: off takes no notice of signatures, accept checks those there are, require refuses messages without one. Default off."),
);

/** The fields of the `gateway` section. One window for all listeners, as a nonce must be known to each as long as one of them would take it. */
export const signedSettings = {
  signatureWindow: v.pipe(v.optional(duration(10_000, 900_000), "5m"), v.description("How far the time at which a message was signed may lie from the gateway's clock, either way. Default 5m, 10s to 15m.")),
  noncesPerDevice: v.pipe(v.optional(integer(1, 10_000_000), 50_000), v.description("Nonces of one device that are remembered until their messages are too old to be taken; further ones are refused with OVERLOAD. Default 50000, 1 to 10000000.")),
  nonceLimit: v.pipe(v.optional(integer(1, 100_000_000), 500_000), v.description("The same for all devices together, some 250 bytes each. Default 500000, 1 to 100000000.")),
};
