/**
 * Steps for routes: checked expressions, compression, windows, alarms, anomalies and forecasts. They work on the readings of any source, by event time, and keep what they remember across restarts.
 *
 * @module
 */
export { edge, edge as default } from "./plugin.ts";
