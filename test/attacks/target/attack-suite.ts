import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { after, describe, it } from "node:test";
import { Watch } from "./assert-unharmed.ts";
import { AttackTarget, type TargetOptions } from "./attack-target.ts";

/** Whether the long form runs: `npm run test:attacks`. */
export const longForm = process.env["BUSBAR_ATTACKS"] === "long";

/** Registers an attack by its name, "what the attacker tries: what stops him". Once it is over, the gateway must be unharmed. */
export type Attack = (name: string, run: (target: AttackTarget) => Promise<void>, options?: { readonly skip?: string | false }) => void;

/** The tables of the two databases of a gateway. */
const tables = ["meta", "block", "retained", "cursor", "summary", "series", "point", "device"];

/** Makes a suite of attacks on one gateway, started once. In the end it stops in order, its databases are whole, and no secret stands in what it kept. */
export function attackSuite(area: string, define: (attack: Attack) => void, options: TargetOptions = {}): void {
  describe(`attacks: ${area}`, () => {
    let opening: Promise<AttackTarget> | undefined;
    let watching: Promise<Watch> | undefined;
    const open = (): Promise<AttackTarget> => (opening ??= AttackTarget.open(options)); // by the first test, which can say why it fails; a hook cannot
    after(async () => await (await opening?.catch(() => undefined))?.destroy());
    define((name, run, { skip = false } = {}) => {
      it(name, { skip }, async () => {
        const target = await open();
        const watch = await (watching ??= Watch.begin(target));
        try {
          await run(target);
        } finally {
          target.forgetClients("end");
        }
        await watch.assertUnharmed();
      });
    });
    it("afterwards the gateway stops in order, its databases are whole, and what it keeps holds no secret", async () => {
      const target = await open();
      assert.equal(await target.process.stop(), 0);
      assert.deepEqual(target.output.problems(), []);
      const files = readdirSync(target.path("data")).filter((name) => name !== "signing.key");
      for (const file of files) assert.deepEqual(target.secrets.foundInFile(readFileSync(target.path(`data/${file}`))), [], file);
      const found = files.filter((name) => name.endsWith(".db")).flatMap((name) => tablesOf(target.path(`data/${name}`)));
      for (const table of tables) assert.ok(found.includes(table), `${table} among ${found.join(", ")}`);
    });
  });
}

/** The tables of a database that is whole. */
function tablesOf(file: string): readonly string[] {
  const database = new DatabaseSync(file);
  try {
    assert.deepEqual(database.prepare("PRAGMA integrity_check").all().map((row) => row["integrity_check"]), ["ok"], file);
    return database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all().map((row) => String(row["name"]));
  } finally {
    database.close();
  }
}
