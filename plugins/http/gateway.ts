import * as v from "valibot";
import { bearer, isLocal } from "./bearer.ts";
import { defineOperation, type AnyOperation, type ApiParts } from "./operation.ts";
import { Problem } from "./problem.ts";
import { checkMaySee, gatewayRight } from "./rights.ts";

const status = v.object({ status: v.string() });
const announcement = v.object({ what: v.string(), url: v.string(), insecure: v.pipe(v.optional(v.literal(true)), v.description("Other machines reach it, and nothing is encrypted")) });
const instance = v.object({
  id: v.string(),
  use: v.string(),
  state: v.picklist(["starting", "running", "restarting", "failed", "stopped"]),
  required: v.boolean(),
  restarts: v.number(),
  reason: v.optional(v.string()),
  addresses: v.array(announcement),
});
const flow = v.object({
  nodes: v.array(v.object({ id: v.string(), kind: v.picklist(["plugin", "route", "bus"]), label: v.string(), writes: v.exactOptional(v.boolean()) })),
  edges: v.array(v.object({ from: v.string(), to: v.string(), label: v.string() })),
});

/** How the gateway itself stands: health, metrics, plugins, flows. */
export function gatewayOperations(parts: ApiParts): AnyOperation[] {
  const authenticate = bearer(parts.authority, parts);
  return [
    defineOperation({
      method: "get",
      path: "/healthz",
      id: "getHealth",
      summary: "Whether the process answers",
      open: true,
      answers: { 200: { description: "It does", schema: status } },
      handle: ({ context }) => context.json({ status: "ok" }),
    }),
    defineOperation({
      method: "get",
      path: "/readyz",
      id: "getReadiness",
      summary: "Whether every required plugin runs",
      open: true,
      answers: { 200: { description: "All of them do", schema: status } },
      problems: [503],
      handle({ context }) {
        const missing = parts.gateway.notReady();
        if (missing === undefined) return context.json({ status: "ready" });
        throw new Problem(503, { code: "UNAVAILABLE", detail: `Not ready: ${missing.join("; ")}`, members: { missing }, headers: { "retry-after": "5" } });
      },
    }),
    defineOperation({
      method: "get",
      path: "/metrics",
      id: "getMetrics",
      summary: "All metrics in the Prometheus text format",
      description: `Open to whom \`metrics\` of the config says; else it needs the right to subscribe to \`${gatewayRight}\`.`,
      open: true,
      answers: { 200: { description: "Text", contentType: "text/plain; version=0.0.4; charset=utf-8" } },
      problems: [401, 403],
      async handle({ context }) {
        const { metrics } = parts.config;
        if (metrics !== "open" && !(metrics === "loopback" && isLocal(context))) checkMaySee(parts, await authenticate(context), gatewayRight);
        return context.body(parts.gateway.metrics(), 200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
      },
    }),
    defineOperation({
      method: "get",
      path: "/api/plugins",
      id: "listPlugins",
      summary: "What runs here",
      description: `Needs the right to subscribe to \`${gatewayRight}\`.`,
      answers: { 200: { description: "Every plugin instance of the config", schema: v.object({ plugins: v.array(instance) }) } },
      problems: [403],
      handle({ principal, context }) {
        checkMaySee(parts, principal, gatewayRight);
        // A fragment may be a secret, as that of the console link is.
        const plugins = parts.gateway.plugins().map((plugin) => ({ ...plugin, addresses: plugin.addresses.map((address) => ({ ...address, url: address.url.replace(/#.*$/s, "") })) }));
        return context.json({ plugins });
      },
    }),
    defineOperation({
      method: "get",
      path: "/api/flows",
      id: "getFlows",
      summary: "Who sends to whom, along which topics",
      description: `Needs the right to subscribe to \`${gatewayRight}\`.`,
      answers: { 200: { description: "The composed flow", schema: flow } },
      problems: [403],
      handle({ principal, context }) {
        checkMaySee(parts, principal, gatewayRight);
        return context.json(parts.gateway.flow());
      },
    }),
  ];
}
