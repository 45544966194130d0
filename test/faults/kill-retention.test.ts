import { killRetention } from "./kill-retention.ts";
import { testScenario } from "./short-form.ts";

testScenario(killRetention);
