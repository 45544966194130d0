import { describeError } from "./failure-text.ts";
import type { NodeRecord } from "./node-tests.ts";

interface TestEvent {
  readonly type: string;
  readonly data: {
    readonly name?: string;
    readonly file?: string;
    readonly entryFile?: string;
    readonly message?: string;
    readonly testId?: number;
    readonly parentId?: number;
    readonly skip?: string | boolean;
    readonly todo?: string | boolean;
    readonly details?: { readonly type?: string; readonly error?: { readonly failureType?: string; readonly cause?: unknown } };
  };
}

/** The reporter that `node --test` loads: one JSON object a line for each test that ended and each piece of stderr. */
export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const { type, data } of events) {
    const { name = "", file = "", entryFile = file, testId = 0, parentId = 0, details, message = "" } = data;
    if (type === "test:stderr") yield format({ kind: "stderr", file: entryFile, text: message });
    if (type !== "test:pass" && type !== "test:fail") continue;
    const reason = data.skip || data.todo;
    const result = reason ? "skip" : type === "test:fail" ? "fail" : "pass";
    const error = details?.error;
    const text = result === "skip" ? (typeof reason === "string" ? reason : undefined) : error && describeError(error.cause ?? error);
    yield format({ kind: "test", file: entryFile, id: testId, parent: parentId, suite: details?.type === "suite" || error?.failureType === "subtestsFailed", whole: data.entryFile === undefined, name, result, text });
  }
}

const format = (record: NodeRecord): string => JSON.stringify(record) + "\n";
