/**
 * A client to an upstream MQTT broker, MQTT 5.0 and 3.1.1, over TCP, TLS or WebSocket. What is in the journal and fits `out` is sent to it, acknowledged batch by batch, through
 * restarts and outages of either side; what the broker has for the filters of `in` comes onto the bus, acknowledged once the journal has it.
 *
 * @module
 */
export { configSchema, type InEntry, type MqttConfig, type OutEntry } from "./config.ts";
export { mqtt, mqtt as default } from "./plugin.ts";
