import { killWorker } from "./kill-worker.ts";
import { testScenario } from "./short-form.ts";

testScenario(killWorker);
