import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { journalSuite } from "@busbar/core/testkit";
import { openStorage } from "./storage.ts";

for (const durability of ["full", "normal"] as const) {
  journalSuite(`sqlite ${durability}`, async () => {
    const folder = mkdtempSync(join(tmpdir(), "busbar-"));
    const open = () => openStorage({ file: join(folder, "busbar.db"), durability });
    let storage = await open();
    return {
      journal: storage.journal,
      async reopen() {
        await storage.close();
        storage = await open();
        return storage.journal;
      },
      async crash() {
        await storage.terminate();
        storage = await open();
        return storage.journal;
      },
      async retain() {
        while ((await storage.retain({ journal: { before: Number.MAX_SAFE_INTEGER, size: 1e12, maxSize: 1e12 }, series: { before: 0, size: 1e12 } })).more);
      },
      async close() {
        await storage.close();
        rmSync(folder, { recursive: true });
      },
    };
  });
}
