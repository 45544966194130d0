import { BusbarError, errorCode, systemClock, type ReloadReport } from "@busbar/core";
import { accessOptions, openAccess } from "../client/access.ts";
import { callApi } from "../client/api.ts";
import { defineCommand } from "../command.ts";
import { Failure } from "../failure.ts";
import { formatReload } from "../reload-text.ts";
import { oneLine, print } from "../terminal.ts";

/** How long the gateway's own HTTP server may take to come back when it is among what restarts. */
const patience = 30_000;

/** The report of a reload that nobody was asked for, as the config is wrong. */
const unread: ReloadReport = { number: 0, state: "refused", problems: [], added: [], removed: [], restarted: [], refreshed: [], routes: false, settings: false };

/** `busbar reload`: what SIGHUP does, over HTTP, so that it works on every system and says what came of it. */
export default defineCommand({
  description: "Has a running gateway read its config and the files that it names, such as certificates, again, and run what is new. Connections of plugins whose section did not change stay open. Ends with 78 when something is wrong: every problem is listed, and the gateway runs on as before.",
  positionals: [],
  options: {
    json: { kind: "flag", text: 'print {"number","state","problems","added","removed","restarted","refreshed","routes","settings"}' },
    ...accessOptions,
  },
  examples: [
    ["busbar reload", "after busbar.yaml was edited"],
    ["busbar reload --json", "from the script that renews certificates"],
  ],
  async run({ options }) {
    const access = await openAccess(options, { roles: ["admin"], ttl: 300, user: true, protocol: "ws" }).catch((error: unknown) => {
      if (options.json && error instanceof Failure && error.code === 78) print(JSON.stringify({ ...unread, problems: error.lines })); // no token can be signed without the config: nobody was asked
      throw error;
    });
    const token = await access.tokenFor("busbar-reload");
    const ask = (body?: object): Promise<ReloadReport> => callApi({ at: access.url, ca: access.ca, token, path: "/api/reload", verb: "reload the config", ...(body && { body }) });
    const first = await ask({});
    const report = first.state === "running" ? await comeBack(first, ask) : first;
    if (options.json) print(JSON.stringify(report));
    if (report.state === "refused") throw new Failure(78, options.json ? [] : [...report.problems.map(oneLine), "busbar: reload refused, the gateway runs on as before"]);
    if (!options.json) print(`reloaded: ${formatReload(report)}`);
    return 0;
  },
});

/** Asks until the server that restarts has come back and says how it went. */
async function comeBack({ number }: ReloadReport, ask: () => Promise<ReloadReport>): Promise<ReloadReport> {
  for (const end = systemClock.now() + patience; ; await systemClock.sleep(200)) {
    try {
      const report = await ask();
      if (report.state !== "running" || report.number !== number) return report;
    } catch (error) {
      if (errorCode(error) !== "UNAVAILABLE") throw error;
    }
    if (systemClock.now() > end) throw new BusbarError("TIMEOUT", `Cannot tell how the reload went: the HTTP server has not come back within ${patience / 1000} s, perhaps it listens elsewhere now`);
  }
}
