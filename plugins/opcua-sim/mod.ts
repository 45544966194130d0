/**
 * A simulated plant: machines, a lamp and a fan as data, moved by seeded signals. It publishes readings and alarms on the bus, obeys commands, and is served as
 * a real OPC UA server and a real Modbus TCP server, so that whatever speaks to a plant can be tried without one.
 *
 * @module
 */
export { opcuaSim, opcuaSim as default } from "./sim-plugin.ts";
export { compilePlant } from "./compiled-plant.ts";
export { defaultPlant } from "./default-plant.ts";
export { formatModbusMap } from "./modbus-map.ts";
export { fleetSchema, type PlantData, plantSchema } from "./plant.ts";
