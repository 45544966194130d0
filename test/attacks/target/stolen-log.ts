import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listLogFiles, readKeyRing, verifyLog, type Verdict } from "@busbar/audit-file";
import type { ChainHead } from "@busbar/core";
import { until } from "@busbar/core/testkit";
import type { AttackTarget } from "./attack-target.ts";

/** The section that puts the audit log where an attacker of these tests finds it. */
export const auditSection = { folder: "audit", keyFile: "audit.key", headFile: "audit.head", syncInterval: 10 } as const;

/** A copy of a gateway's audit log in the hands of somebody who may write it, but has not its key. */
export interface StolenLog extends Disposable {
  /** Lines of the newest file, with their line feeds. */
  readonly lines: readonly string[];
  readonly head: string;
  /** Puts other lines, or another head, in their place. */
  write(lines: readonly string[], head?: string): void;
  /** What the owner finds, with his key, and the entries that he has noted elsewhere. */
  verify(heads?: readonly ChainHead[]): Promise<Verdict>;
}

/** Copies the log once it has no finding and `holds` of its text. */
export async function stealLog(target: AttackTarget, holds: (text: string) => boolean = () => true): Promise<StolenLog> {
  const ring = await readKeyRing(target.path(auditSection.keyFile));
  const [, folder] = await until("the log is whole and says what it should", async () => {
    const copy = mkdtempSync(join(tmpdir(), "busbar-stolen-"));
    cpSync(target.path(auditSection.headFile), join(copy, "head")); // before the log, which goes on
    cpSync(target.path(auditSection.folder), join(copy, "log"), { recursive: true });
    const verdict = await verifyLog(join(copy, "log"), { ring, headFile: join(copy, "head") });
    const text = (await listLogFiles(join(copy, "log"))).map(({ path }) => readFileSync(path, "latin1")).join("");
    const head = JSON.parse(readFileSync(join(copy, "head"), "utf8")) as { readonly seq: number };
    if (verdict.findings.length === 0 && verdict.last?.seq === head.seq && holds(text)) return [verdict, copy] as const;
    rmSync(copy, { recursive: true });
    return undefined;
  });
  const file = (await listLogFiles(join(folder, "log"))).at(-1)!.path;
  return {
    lines: readFileSync(file, "latin1").split(/(?<=\n)/),
    head: readFileSync(join(folder, "head"), "utf8"),
    write(lines, head) {
      writeFileSync(file, lines.join(""), "latin1");
      if (head !== undefined) writeFileSync(join(folder, "head"), head);
    },
    verify: (heads = []) => verifyLog(join(folder, "log"), { ring, headFile: join(folder, "head"), heads }),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}
