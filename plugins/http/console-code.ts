import { randomBytes, timingSafeEqual, createHash } from "node:crypto";
import type { Clock } from "@busbar/core";
import * as v from "valibot";
import { remoteOf } from "./bearer.ts";
import { defineOperation, type AnyOperation, type ApiParts } from "./operation.ts";
import { Problem } from "./problem.ts";
import { time } from "./shapes.ts";

/** Who the console page is, once its link was opened. */
export const consoleId = "console";

const lifetime = 15 * 60_000;
const sessionSeconds = 12 * 3600;
const maxWaiting = 20;

/** The code of a console link: good once, for a quarter of an hour. */
export interface ConsoleCode {
  /** 192 bits, base64url. */
  readonly text: string;
  /** Takes the code if it is the right one, in time and not used yet; a wrong one is answered late, and later each time. @throws {Problem} 401, or 429 while too many wait. */
  redeem(text: string): Promise<void>;
}

/** Makes a code. */
export function createConsoleCode(clock: Clock): ConsoleCode {
  const text = randomBytes(24).toString("base64url");
  const digest = hash(text);
  const expires = clock.now() + lifetime;
  let used = false;
  let wrong = 0;
  let waiting = 0;
  return {
    text,
    async redeem(tried) {
      if (!used && clock.now() < expires && timingSafeEqual(hash(tried), digest)) {
        used = true;
        return;
      }
      if (waiting >= maxWaiting) throw new Problem(429, { detail: "Too many wrong codes", headers: { "retry-after": "10" } });
      waiting++;
      try {
        await clock.sleep(Math.min(10_000, 250 * 2 ** wrong++));
      } finally {
        waiting--;
      }
      throw new Problem(401, { code: "UNAUTHENTICATED", detail: "This link was used already or is too old", headers: { "www-authenticate": 'Bearer realm="busbar"' } });
    },
  };
}

/** Hashed first, so that texts of any length can be compared in constant time. */
function hash(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/** Trading the code of the console link for a token: `/api/console/session`. */
export function consoleOperations(parts: ApiParts, code: ConsoleCode): AnyOperation[] {
  return [
    defineOperation({
      method: "post",
      path: "/api/console/session",
      id: "openConsole",
      summary: "Trade the code of the one-time console link for a token",
      open: true,
      body: v.strictObject({ code: v.pipe(v.string(), v.minLength(1), v.maxLength(200)) }),
      answers: { 200: { description: "A token of the role admin", schema: v.object({ token: v.string(), expires: time }) } },
      problems: [401, 429],
      async handle({ body, context }) {
        const remote = remoteOf(context);
        try {
          await code.redeem(body.code);
        } catch (error) {
          parts.log.warn("Refused a console code", { remote });
          parts.audit.write("console-refused", { remote });
          throw error;
        }
        const token = await parts.authority.issue({ id: consoleId, roles: ["admin"], ttl: sessionSeconds, user: true });
        parts.log.info("The console link was used", { remote });
        parts.audit.write("console-opened", { remote });
        return context.json({ token, expires: parts.clock.now() + sessionSeconds * 1000 });
      },
    }),
  ];
}
