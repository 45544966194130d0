import { BusbarError, errorText } from "../errors.ts";
import type { Instance } from "./instance.ts";

/** Files that plugins were to read again cannot be used; what was in use still is. */
export class RefreshError extends BusbarError {
  /** A line each, with the plugin's id. */
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super("CONFIG", `Cannot reload: ${problems.join("; ")}`);
    this.problems = problems;
  }
}

/** Has instances look again at what they have read from files. Gives what is new, such as `http: TLS certificate renewed`. @throws {RefreshError} with everything that is wrong. */
export async function refreshInstances(instances: readonly Instance[]): Promise<readonly string[]> {
  const results = await Promise.allSettled(instances.flatMap((instance) => instance.refresh().map((news) => tell(instance.id, news))));
  const problems = results.flatMap((result) => (result.status === "rejected" ? [errorText(result.reason)] : []));
  if (problems.length > 0) throw new RefreshError(problems);
  return results.flatMap((result) => (result.status === "fulfilled" ? (result.value ?? []) : []));
}

async function tell(id: string, news: Promise<string | undefined>): Promise<string | undefined> {
  try {
    const text = await news;
    return text === undefined ? undefined : `${id}: ${text}`;
  } catch (error) {
    throw new Error(`plugin "${id}": ${errorText(error)}`);
  }
}
