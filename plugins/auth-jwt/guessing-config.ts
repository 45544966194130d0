import { duration, integer } from "@busbar/core";
import * as v from "valibot";

/** The section `guessing`: what slows down whoever guesses. */
export const guessingConfig = v.pipe(
  v.optional(
    v.strictObject({
      free: v.pipe(v.optional(integer(1, 1000), 3), v.description("Failures of one id from one address before the first pause. 1 to 1,000.")),
      addressFree: v.pipe(v.optional(integer(1, 1_000_000)), v.description("Failures from one address, or one IPv6 network of 64 bits, whatever ids and credentials were shown, before its first pause. By default 20, and no limit from this machine.")),
      firstPause: v.pipe(v.optional(duration(10, 60_000), 500), v.description("The first pause; each further failure doubles it. 10 ms to 1 min.")),
      longestPause: v.pipe(v.optional(duration(10, 3_600_000), 30_000), v.description("The longest pause, up to 1 h.")),
      memory: v.pipe(v.optional(duration(1000, 86_400_000), 15 * 60_000), v.description("How long failures are remembered after the last one. 1 s to 1 d.")),
      answerDelay: v.pipe(v.optional(duration(0, 60_000), 3000), v.description("How late a refusal is answered at the most while its address has a pause. Up to 1 min; below the authTimeout of the listeners.")),
    }),
    {},
  ),
  v.description("What slows down whoever guesses secrets and tokens."),
);

/** It, with all defaults filled in; times in ms. */
export type GuessingConfig = v.InferOutput<typeof guessingConfig>;

/** That of a config that says nothing. */
export const usualGuessing: GuessingConfig = v.parse(guessingConfig, undefined);
