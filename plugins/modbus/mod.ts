/**
 * Modbus client over TCP, RTU over TCP and serial lines, with coalesced reads and checked writes.
 *
 * @module
 */
export {};
