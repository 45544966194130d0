import { killClient } from "./kill-client.ts";
import { testScenario } from "./short-form.ts";

testScenario(killClient);
