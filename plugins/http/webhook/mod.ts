/**
 * A sink behind a durable reader: messages of the journal are POSTed to a server in batches. What the server does not take is sent again with growing pauses, what it
 * refuses becomes a dead letter, and after an outage what is new goes before what has waited.
 *
 * @module
 */
export { webhook, webhook as default } from "./plugin.ts";
export { webhookConfig, type WebhookConfig } from "./config.ts";
