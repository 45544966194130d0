/**
 * The HTTP side of a gateway (WIRE §4): messages, history, devices and commands under `/api`, health, metrics, an OpenAPI document made of the schemas
 * that check the requests, and the console page. Errors are RFC 9457 problems. The server is shared: other plugins hang their own routes and
 * protocol upgrades on it through the Http port.
 *
 * @module
 */
export { http, http as default } from "./plugin.ts";
export { httpConfig, type HttpConfig } from "./config.ts";
