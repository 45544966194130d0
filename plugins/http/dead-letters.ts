import { idText, integer, toJsonObject, type DeadLetter, type DeadLetterChoice, type Principal } from "@busbar/core";
import * as v from "valibot";
import { defineOperation, type AnyOperation, type ApiParts } from "./operation.ts";
import { forbidden, Problem } from "./problem.ts";
import { checkMaySee } from "./rights.ts";
import { deadLetterChoice, deadLetterId, deadLetterPage } from "./shapes.ts";

const decided = v.object({ count: v.pipe(v.number(), v.description("How many there were")) });
const needed = "Name `ids`, or a `reader`, or both; `all: true` means all. Needs the right to publish on `dead-letter/<reader>`, without a `reader` on `dead-letter/#`. Durable when it answers.";

/** What sinks refused for good: `/api/dead-letters`. */
export function deadLetterOperations(parts: ApiParts): AnyOperation[] {
  const decide = async (principal: Principal, body: v.InferOutput<typeof deadLetterChoice>, action: "replay" | "drop"): Promise<{ readonly count: number }> => {
    const { ids, reader } = body;
    if (!parts.authority.can(principal, "publish", `dead-letter/${reader ?? "#"}`)) throw forbidden(`${action} dead letters of ${reader ?? "every reader"}`);
    if (ids === undefined && reader === undefined && body.all !== true) throw new Problem(422, { code: "BAD_FRAME", detail: "ids, reader or all: true is needed" });
    const choice: DeadLetterChoice = { ids, reader };
    const count = await parts.deadLetters[action](choice);
    parts.audit.write(`dead-letter-${action}`, { by: principal.id, count, ...(reader === undefined ? {} : { reader }), ...(ids === undefined ? {} : { ids: ids.slice(0, 100) }) });
    return { count };
  };
  return [
    defineOperation({
      method: "get",
      path: "/api/dead-letters",
      id: "listDeadLetters",
      summary: "What sinks refused for good, oldest first",
      description: "Needs the right to subscribe to `dead-letter/<reader>`, without a `reader` to `dead-letter/#`.",
      query: v.strictObject({
        reader: v.pipe(v.optional(idText()), v.description("Only those of this durable reader, `<instance>/<name>`")),
        after: v.pipe(v.optional(deadLetterId), v.description("`next` of the page before")),
        limit: v.pipe(v.optional(integer(1, 1000), 100), v.description("Dead letters per page")),
      }),
      answers: { 200: { description: "A page", schema: deadLetterPage } },
      problems: [403, 404],
      async handle({ principal, query, context }) {
        const { reader, after, limit } = query;
        checkMaySee(parts, principal, `dead-letter/${reader ?? "#"}`);
        const letters = await parts.deadLetters.list({ reader, after, limit });
        const next = letters.length === limit ? letters.at(-1)!.id : undefined;
        return context.json({ deadLetters: letters.map(formatLetter), ...(next === undefined ? {} : { next }) });
      },
    }),
    defineOperation({
      method: "post",
      path: "/api/dead-letters/replay",
      id: "replayDeadLetters",
      summary: "Hand dead letters to their readers again",
      description: `Before anything else; what is taken then is no dead letter any more, what is refused again is one again. ${needed}`,
      body: deadLetterChoice,
      answers: { 200: { description: "They will be", schema: decided } },
      problems: [403, 503],
      handle: async ({ principal, body, context }) => context.json(await decide(principal, body, "replay")),
    }),
    defineOperation({
      method: "post",
      path: "/api/dead-letters/drop",
      id: "dropDeadLetters",
      summary: "Forget dead letters",
      description: needed,
      body: deadLetterChoice,
      answers: { 200: { description: "They are gone", schema: decided } },
      problems: [403, 503],
      handle: async ({ principal, body, context }) => context.json(await decide(principal, body, "drop")),
    }),
  ];
}

function formatLetter({ id, offset, reader, reason, time, place, message }: DeadLetter): v.InferInput<typeof deadLetterPage>["deadLetters"][number] {
  return { id, offset, reader, reason, time, message: toJsonObject(message, place) as v.InferInput<typeof deadLetterPage>["deadLetters"][number]["message"] };
}
