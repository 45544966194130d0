/**
 * A simulated plant: machines, a lamp and a fan as data, moved by seeded signals. It publishes readings and alarms on the bus, obeys commands, and is served as
 * a real OPC UA server and a real Modbus TCP server, so that whatever speaks to a plant can be tried without one.
 *
 * @module
 */
export { opcuaSim, opcuaSim as default } from "./sim-plugin.ts";
export { openSimulatedPlant, type SimulatedPlant, type SimulatedPlantSurroundings } from "./simulated-plant.ts";
export { type Fault, type FaultInput, faultSchema } from "./fault.ts";
export type { ActiveFault, FaultListener, Faults } from "./faults.ts";
export type { ModbusRequests, RequestCount, RequestFilter } from "./modbus-requests.ts";
export { compilePlant } from "./compiled-plant.ts";
export { defaultPlant } from "./default-plant.ts";
export { formatModbusMap } from "./modbus-map.ts";
export { fleetSchema, type PlantData, plantSchema } from "./plant.ts";
