/**
 * OPC UA client: values, alarms, methods and history of servers, and what is written to them.
 *
 * @module
 */
export { opcua, opcua as default } from "./plugin.ts";
