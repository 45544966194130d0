import type { Log } from "@busbar/core";
import { setDebugLogger, setErrorLogger, setWarningLogger } from "node-opcua-client";

/** node-opcua writes to the console, with colours and in many lines, what its callers are told anyway: it goes to the log of the instance that started last, for those who want to know it. */
export function logLibrary(log: Log): void {
  const say = (...parts: unknown[]): void => log.debug(`node-opcua: ${parts.map(String).join(" ").replace(/\u001b\[[0-9;]*m/g, "").replace(/\s+/g, " ").trim().slice(0, 1_000)}`);
  setDebugLogger(say);
  setWarningLogger(say);
  setErrorLogger(say);
}
