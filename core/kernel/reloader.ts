import type { CheckedConfig } from "../config/checked.ts";
import { diffConfig } from "../config/diff.ts";
import type { LoadedConfig } from "../config/load.ts";
import { formatProblem } from "../config/problem.ts";
import { BusbarError, errorText } from "../errors.ts";
import type { ReloadReport } from "../gateway.ts";
import type { Log } from "../log.ts";
import { JournalPort } from "../ports.ts";
import { providedPorts } from "./order.ts";
import { RefreshError } from "./refresh.ts";

/** What a reloader works with. */
export interface ReloaderOptions {
  /** Reads and checks the config again; absent: nobody knows where it came from. */
  readonly read: (() => Promise<LoadedConfig>) | undefined;
  /** The config that runs. */
  readonly running: () => CheckedConfig;
  /** Runs another one, or throws and leaves everything as it was. */
  readonly run: (config: CheckedConfig) => Promise<{ readonly refreshed: readonly string[] }>;
  readonly log: Log;
}

/** Reads a gateway's config again and runs it, one at a time, and says what became of it: the same for a signal and for a request. */
export class Reloader {
  readonly #options: ReloaderOptions;
  #turn: Promise<unknown> = Promise.resolve();
  #count = 0;
  #last: ReloadReport | undefined;

  constructor(options: ReloaderOptions) {
    this.#options = options;
  }

  /** The reload that runs, else the last one; undefined before the first. */
  get last(): ReloadReport | undefined {
    return this.#last;
  }

  /** `planned` is told what will be done before it is. Resolves when it is done or refused. @throws {BusbarError} UNAVAILABLE where the config cannot be read again. */
  reload(planned: (report: ReloadReport) => void = () => {}): Promise<ReloadReport> {
    const { read } = this.#options;
    if (read === undefined) return Promise.reject(new BusbarError("UNAVAILABLE", "Cannot reload the config: this gateway was not started from a file"));
    const report = this.#turn.then(() => this.#reload(read, planned));
    this.#turn = report.catch(() => {});
    return report;
  }

  async #reload(read: () => Promise<LoadedConfig>, planned: (report: ReloadReport) => void): Promise<ReloadReport> {
    const { running, run, log } = this.#options;
    const nothing = { number: ++this.#count, problems: [], added: [], removed: [], restarted: [], refreshed: [], routes: false, settings: false };
    const refuse = (problems: readonly string[]): ReloadReport => {
      for (const problem of problems) log.error(`config problem: ${problem}`);
      log.error("reload refused, everything runs on as before", { problems: problems.length });
      return (this.#last = { ...nothing, state: "refused", problems });
    };
    try {
      const { config, problems } = await read();
      if (config === undefined) return refuse(problems.map(formatProblem));
      const { added, removed, changed, routes, gateway } = diffConfig(running(), config);
      const plan: ReloadReport = { ...nothing, state: "running", added, removed, restarted: changed, routes, settings: gateway };
      planned((this.#last = plan));
      const { refreshed } = await run(config);
      return (this.#last = { ...plan, state: "done", refreshed });
    } catch (error) {
      return refuse(error instanceof RefreshError ? error.problems : [errorText(error)]);
    }
  }
}

/** Everybody stands at offsets of the journal that was opened at the start. @throws {BusbarError} CONFIG when another plugin would provide it. */
export function checkSameJournal(running: CheckedConfig, next: CheckedConfig): void {
  const [now, then] = [running, next].map(({ instances }) => instances.find((one) => providedPorts(one.plugin).includes(JournalPort.name))?.id ?? "the gateway itself");
  if (now !== then) throw new BusbarError("CONFIG", `Cannot reload the config: the journal would be that of ${then} instead of ${now}, which takes a restart of the gateway`);
}
