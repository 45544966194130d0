import { slowDisk } from "./slow-disk.ts";
import { testScenario } from "./short-form.ts";

testScenario(slowDisk);
