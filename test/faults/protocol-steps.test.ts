import { protocolSteps } from "./protocol-steps.ts";
import { testScenario } from "./short-form.ts";

testScenario(protocolSteps);
