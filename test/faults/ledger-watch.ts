import { assertLedgerBalances } from "@busbar/core/testkit";
import type { Urls } from "./gateway-process.ts";

/** Looks at /metrics of gateways that come and go. */
export interface LedgerWatch {
  /** How often the ledger was read and balanced. */
  readonly balanced: number;
  /** One sentence for each time that it did not, the first 10. */
  readonly problems: readonly string[];
  /** Reads the ledger of a gateway, which may be killed meanwhile: then it gives false. */
  check(urls: Urls): Promise<boolean>;
}

/** Makes one. */
export function createLedgerWatch(token: string): LedgerWatch {
  const problems: string[] = [];
  let balanced = 0;
  return {
    problems,
    get balanced() {
      return balanced;
    },
    async check(urls) {
      const text = await readMetrics(urls, token);
      if (text === undefined) return false;
      try {
        assertLedgerBalances(text);
        balanced++;
      } catch (error) {
        if (problems.length < 10) problems.push((error as Error).message);
      }
      return true;
    },
  };
}

/** What /metrics says; undefined when the gateway is gone. */
export async function readMetrics(urls: Urls, token: string): Promise<string | undefined> {
  try {
    const response = await fetch(`${urls.get("HTTP API")!}/metrics`, { headers: { authorization: `Bearer ${token}` } });
    return await response.text();
  } catch {
    return undefined;
  }
}
