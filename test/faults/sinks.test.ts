import { sinks } from "./sinks.ts";
import { testScenario } from "./short-form.ts";

testScenario(sinks);
