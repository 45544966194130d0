/**
 * Modbus client over TCP, RTU over TCP and serial lines. Reads are coalesced, each poll group keeps its own cadence, a dead unit does not hold up the others; readings carry
 * quality, source time and the protocol's own status; writes are commands that are read back. `@busbar/modbus/probe` finds out what a device has.
 *
 * @module
 */
export { modbus, modbus as default } from "./plugin.ts";
