import assert from "node:assert/strict";
import { test } from "node:test";
import { readReport } from "./deno-tests.ts";
import { readRecords, type NodeRecord } from "./node-tests.ts";

const record = (fields: Partial<NodeRecord>): string => JSON.stringify({ kind: "test", file: "/r/a.test.ts", id: 0, parent: 0, suite: false, whole: false, name: "", result: "pass", ...fields });

test("readRecords() counts what stands in suites, names it by its way from the top, and takes a file that does not load for one failure", () => {
  const lines = [
    record({ id: 2, parent: 1, name: "adds" }),
    record({ id: 3, parent: 1, name: "subtracts", result: "fail", text: "2 !== 3" }),
    record({ id: 4, parent: 1, name: "divides", result: "skip", text: "no divider" }),
    record({ id: 1, name: "sums", suite: true, result: "fail" }),
    record({ id: 5, name: "alone" }),
    JSON.stringify({ kind: "stderr", file: "/r/b.test.ts", text: "Error: load fails\n" }),
    record({ file: "/r/b.test.ts", whole: true, name: "b.test.ts", result: "fail", text: "'test failed'" }),
    "what a test printed",
  ];
  assert.deepEqual(readRecords(lines.join("\n"), "/r"), {
    passed: 2,
    failures: [
      { name: "a.test.ts: sums > subtracts", text: "2 !== 3" },
      { name: "b.test.ts", text: "'test failed'\nError: load fails\n" },
    ],
    skips: [{ name: "a.test.ts: sums > divides", text: "no divider" }],
  });
});

test("readReport() gives the same of a Deno run, with the error outside of tests from what was printed", () => {
  const junit = `<testsuites><testsuite name="./a.test.ts">
    <testcase name="sums" classname="./a.test.ts"><failure message="1 test step failed">1 test step failed.</failure></testcase>
    <testcase name="sums &gt; adds" classname="./a.test.ts"></testcase>
    <testcase name="sums &gt; subtracts" classname="ext:deno_node/testing.ts"><failure message="x">2 !== 3 &amp; &quot;so&quot;</failure></testcase>
    <testcase name="sums &gt; divides" classname="./a.test.ts"><skipped/></testcase>
    <testcase name="alone" classname="./a.test.ts"/></testsuite></testsuites>`;
  assert.deepEqual(readReport(junit, { file: "a.test.ts", printed: "\n./a.test.ts (uncaught error)\nerror: boom\n\nFAILURES\n" }), {
    passed: 2,
    failures: [
      { name: "a.test.ts: sums > subtracts", text: '2 !== 3 & "so"' },
      { name: "a.test.ts", text: "./a.test.ts (uncaught error)\nerror: boom" },
    ],
    skips: [{ name: "a.test.ts: sums > divides", text: undefined }],
  });
});
