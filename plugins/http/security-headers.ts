import type { MiddlewareHandler } from "hono";
import type { AppEnv } from "./operation.ts";

/**
 * What an answer is, for its Content-Security-Policy: `data` nothing that a browser would run; `console` our own page, which never turns text into markup or code; `mount` a page of another plugin: from its own
 * files only, too, but it may do so.
 */
export type Content = "data" | "console" | "mount";

const nothing = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const features = ["accelerometer", "camera", "display-capture", "encrypted-media", "geolocation", "gyroscope", "hid", "microphone", "midi", "payment", "publickey-credentials-get", "screen-wake-lock", "serial", "usb", "xr-spatial-tracking"];

const common: readonly (readonly [string, string])[] = [
  ["x-content-type-options", "nosniff"],
  ["x-frame-options", "DENY"],
  ["referrer-policy", "no-referrer"],
  ["cross-origin-opener-policy", "same-origin"],
  ["cross-origin-resource-policy", "same-origin"],
  ["cross-origin-embedder-policy", "require-corp"],
  ["origin-agent-cluster", "?1"],
  ["permissions-policy", features.map((name) => `${name}=()`).join(", ")],
  ["x-dns-prefetch-control", "off"],
  ["x-permitted-cross-domain-policies", "none"],
];

/** The headers of an answer that is data, as every answer is that never became a request of the app: `[name in small letters, value]`. `encrypted`: it is sent over TLS. */
export function securityHeaders(encrypted: boolean): readonly (readonly [string, string])[] {
  return [["content-security-policy", nothing], ...common, ...(encrypted ? [["strict-transport-security", "max-age=31536000"] as const] : [])];
}

/** The policy of an answer. `host`: what the request was for; browsers that do not count a WebSocket to the same host as 'self' (Safari before 15.4) are told of it. */
export function contentPolicy(content: Content, { host, encrypted }: { readonly host: string | undefined; readonly encrypted: boolean }): string {
  if (content === "data") return nothing;
  const known = host !== undefined && /^[\w.:[\]-]+$/.test(host) ? host : undefined;
  const sockets = known === undefined ? "" : `${encrypted ? "" : ` ws://${known}`} wss://${known}`; // wss also where a proxy does the TLS
  const files = `script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; manifest-src 'self'; connect-src 'self'${sockets}`;
  return `${nothing}; ${files}${content === "console" ? "; require-trusted-types-for 'script'; trusted-types 'none'" : "; media-src 'self'; worker-src 'self'"}`;
}

/** Puts the headers onto every answer of the app, over what a handler may have set; an answer that says nothing about it is not cached. */
export function addSecurityHeaders(encrypted: boolean): MiddlewareHandler<AppEnv> {
  const fixed = securityHeaders(encrypted);
  return async (context, next) => {
    await next();
    const { headers } = context.res;
    for (const [name, value] of fixed) headers.set(name, value);
    const content = context.get("content");
    if (content !== undefined) headers.set("content-security-policy", contentPolicy(content, { host: context.req.header("host"), encrypted }));
    if (!headers.has("cache-control")) headers.set("cache-control", "no-store");
    headers.delete("server");
    headers.delete("x-powered-by");
  };
}
