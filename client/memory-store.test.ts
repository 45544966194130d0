import { memoryStore } from "./memory-store.ts";
import { storeSuite } from "./testing/store-suite.ts";

const store = memoryStore();
storeSuite("memoryStore()", () => store);
