/**
 * Steps for routes: checked expressions, compression, windows, alarms, anomalies and forecasts.
 *
 * @module
 */
export {};
