/**
 * Sealed payloads for those who do without `createClient`: seal and open a payload, and make keys (docs/wire.md, "Sealed payloads").
 *
 * @module
 */
export { isSealed, type Binding, type OpenOptions, type SealingKey, type SealOptions } from "../sealed.ts";
export * from "./create-key.ts";
export { Opener } from "./open.ts";
export { sealPayload } from "./seal.ts";
