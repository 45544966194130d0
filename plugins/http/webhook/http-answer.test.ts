import assert from "node:assert/strict";
import { test } from "node:test";
import { judgeAnswer, parseRetryAfter, type Verdict } from "./http-answer.ts";

const now = Date.UTC(2026, 10, 21, 8, 0, 0);

test("judgeAnswer() tells what is about the messages, about time, and about the config", () => {
  const kinds: Readonly<Record<Verdict["kind"], readonly number[]>> = {
    taken: [200, 201, 202, 204],
    "too-large": [413],
    refused: [400, 406, 409, 415, 422],
    later: [408, 421, 423, 425, 429, 500, 502, 503, 504, 599],
    misconfigured: [301, 302, 307, 308, 304, 401, 402, 403, 404, 405, 410, 411, 426],
  };
  for (const [kind, statuses] of Object.entries(kinds)) {
    for (const status of statuses) assert.equal(judgeAnswer({ status, headers: {}, body: "" }, now).kind, kind, String(status));
  }
});

test("judgeAnswer() reads the messages that an answer names, and believes nothing else", () => {
  const judge = (status: number, body: string): Verdict => judgeAnswer({ status, headers: {}, body }, now);
  assert.deepEqual(judge(200, '{"refused":[{"msgid":"a","reason":"no such tag"},{"offset":7},{"offset":-1.5},{"msgid":5},null,"x"]}'), {
    kind: "taken",
    refused: [{ msgid: "a", reason: "no such tag" }, { offset: 7, reason: "the server names it as refused" }],
  });
  for (const body of ["", "ok", '"refused"', '{"refused":', '{"refused":{"msgid":"a"}}', '["refused"]', 'null "refused"']) assert.deepEqual(judge(200, body), { kind: "taken", refused: [] }, body);
  const refused = judge(422, "value\r\n\u0007 out of\trange " + "x".repeat(1000));
  assert.equal(refused.kind === "refused" && refused.reason.length < 230 && refused.reason.startsWith("answered 422: value out of range x"), true);
});

test("parseRetryAfter() reads seconds and dates", () => {
  assert.equal(parseRetryAfter("120", now), 120_000);
  assert.equal(parseRetryAfter(" 0 ", now), 0);
  assert.equal(parseRetryAfter("Sat, 21 Nov 2026 08:00:30 GMT", now), 30_000);
  assert.equal(parseRetryAfter("Sat, 21 Nov 2026 07:00:00 GMT", now), 0);
  for (const text of [undefined, "", "soon", "-5", "1.5", "2026-11-21", "1e3"]) assert.equal(parseRetryAfter(text, now), undefined, text);
});
