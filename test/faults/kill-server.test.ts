import { killServer } from "./kill-server.ts";
import { testScenario } from "./short-form.ts";

testScenario(killServer);
