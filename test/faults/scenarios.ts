import { killClient } from "./kill-client.ts";
import { killReplay } from "./kill-replay.ts";
import { killRetention } from "./kill-retention.ts";
import { killServer } from "./kill-server.ts";
import { killWorker } from "./kill-worker.ts";
import { outage } from "./outage.ts";
import { powerCut } from "./power-cut.ts";
import { protocolSteps } from "./protocol-steps.ts";
import { sinks } from "./sinks.ts";
import { slowDisk } from "./slow-disk.ts";
import type { Scenario } from "./scenario.ts";

/** Every scenario, in the order in which the long form runs them. */
export const scenarios: readonly Scenario[] = [killServer, protocolSteps, killReplay, killRetention, killWorker, killClient, powerCut, slowDisk, sinks, outage];
