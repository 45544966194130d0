// For heap-watch.test.ts: a target that holds on to memory, and one that does not.
import { HeapWatch } from "./heap-watch.ts";

const looks = 8;
const kept: Uint8Array[] = [];

for (const [name, keep] of [["leaking", true], ["clean", false]] as const) {
  const watch = new HeapWatch();
  let growth: number | undefined;
  for (let look = 0; look < looks; look++) {
    for (let at = 0; at < 30; at++) {
      const bytes = new Uint8Array(1024 * 1024);
      if (keep) kept.push(bytes);
    }
    growth ??= watch.look(look * 131_072);
  }
  console.log(`${name}: ${growth === undefined ? "none" : "growth"}`);
  kept.length = 0;
}
