import * as v from "valibot";

const advisory = v.object({ name: v.string(), title: v.string(), url: v.string(), severity: v.string(), range: v.string() });
const report = v.object({
  auditReportVersion: v.literal(2),
  vulnerabilities: v.record(v.string(), v.object({ name: v.string(), via: v.array(v.union([v.string(), advisory])), nodes: v.array(v.string()) })),
});
const answer = v.strictObject({
  id: v.pipe(v.string(), v.regex(/^GHSA(-[0-9a-z]{4}){3}$/)),
  package: v.string(),
  answer: v.pipe(v.string(), v.minLength(20)),
  until: v.pipe(v.string(), v.isoDate()),
});

/** One advisory about one package that is locked. */
export interface Finding {
  /** `GHSA-…`, or the address of the advisory where it has no such id. */
  readonly id: string;
  readonly package: string;
  readonly severity: string;
  readonly title: string;
  readonly url: string;
  /** The versions it is about. */
  readonly range: string;
}

/** What has been decided on a finding: why it does not matter here, or what is done instead. */
export interface Answer {
  readonly id: string;
  readonly package: string;
  readonly answer: string;
  /** The day, YYYY-MM-DD in UTC, through which it holds: after that somebody looks again. */
  readonly until: string;
}

/** What `npm audit --json` printed, as findings, each advisory of a package once. @throws {Error} when it is no report, as when the registry could not be asked. */
export function readAuditReport(text: string): readonly Finding[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error("Cannot read the audit report: it is no JSON");
  }
  const parsed = v.safeParse(report, value);
  if (!parsed.success) {
    const message = typeof value === "object" && value !== null && "message" in value ? String(value.message) : v.summarize(parsed.issues);
    throw new Error(`Cannot read the audit report: ${message}`);
  }
  const found = new Map<string, Finding>();
  for (const { via } of Object.values(parsed.output.vulnerabilities)) {
    for (const one of via) {
      if (typeof one === "string") continue; // by way of another package, which has its own entry
      const id = /GHSA(-[0-9a-z]{4}){3}/.exec(one.url)?.[0] ?? one.url;
      found.set(`${id} ${one.name}`, { id, package: one.name, severity: one.severity, title: one.title, url: one.url, range: one.range });
    }
  }
  return [...found.values()];
}

/** The answers in a file's text: a JSON array. @throws {Error} naming what is wrong with it. */
export function readAnswers(text: string): readonly Answer[] {
  const parsed = v.safeParse(v.array(answer), JSON.parse(text));
  if (!parsed.success) throw new Error(`Cannot read the answers: ${v.summarize(parsed.issues)}`);
  return parsed.output;
}

/** Which findings have no answer that holds on `today` (YYYY-MM-DD), and which answers no finding any more. */
export function judge(findings: readonly Finding[], answers: readonly Answer[], { today }: { readonly today: string }): { readonly unanswered: readonly Finding[]; readonly stale: readonly Answer[] } {
  const same = (finding: Finding, one: Answer): boolean => finding.id === one.id && finding.package === one.package;
  return {
    unanswered: findings.filter((finding) => !answers.some((one) => same(finding, one) && one.until >= today)),
    stale: answers.filter((one) => !findings.some((finding) => same(finding, one))),
  };
}
