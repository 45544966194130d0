import { killReplay } from "./kill-replay.ts";
import { testScenario } from "./short-form.ts";

testScenario(killReplay);
