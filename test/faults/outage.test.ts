import { outage } from "./outage.ts";
import { testScenario } from "./short-form.ts";

testScenario(outage);
