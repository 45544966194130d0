/**
 * A listener for MQTT 3.1.1 clients: each is a session like any other, with its rights, limits, acknowledgements and commands; a topic is the envelope's topic.
 *
 * @module
 */
export { mqttListener, mqttListener as default } from "./plugin.ts";
export { listenerConfig, type MqttListenerConfig } from "./config.ts";
