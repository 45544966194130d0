/**
 * A simulated plant: machines, a lamp and a fan as data, moved by seeded signals. It publishes readings and alarms on the bus, obeys commands, and is served as
 * a real OPC UA server and a real Modbus TCP server, so that whatever speaks to a plant can be tried without one.
 *
 * @module
 */
export { opcuaSim as default } from "./sim-plugin.ts";
export { defaultPlant } from "./default-plant.ts";
export { fleetSchema, type PlantData, plantSchema } from "./plant.ts";
