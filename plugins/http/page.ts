import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { Context, Hono } from "hono";
import type { AppEnv } from "./operation.ts";

interface Asset {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly etag: string;
}

const mediaTypes: Readonly<Record<string, string>> = { html: "text/html; charset=utf-8", css: "text/css; charset=utf-8", js: "text/javascript; charset=utf-8", ts: "text/javascript; charset=utf-8", svg: "image/svg+xml" };
const own = ["style.css", "icon.svg", "main.js", "api.js", "card.js", "chart.js", "devices.js", "dom.js", "events.js", "exposure.js", "live.ts", "login.js", "points.js", "readings.js", "switch.js"];
/** Where the SDK is, whether it is there as source or as it was published; and its store for browsers. */
const sdk = new URL(import.meta.resolve("@busbar/client"));
const sdkStore = new URL(import.meta.resolve("@busbar/client/indexed-db-store"));

/** The files of the page, by the path they are served at. What is not listed is not served. */
export function consoleFiles(): ReadonlyMap<string, URL> {
  const files = new Map(own.map((name) => [`/console/${name}`, new URL(`./console/${name}`, import.meta.url)]));
  const chart = import.meta.resolve("uplot");
  files.set("/", new URL("./console/index.html", import.meta.url));
  files.set("/console/uplot.js", new URL("./uPlot.esm.js", chart));
  files.set("/console/uplot.css", new URL("./uPlot.min.css", chart));
  for (const file of [...modulesFrom(sdk), ...modulesFrom(sdkStore)]) files.set(`/client/${nameOf(file)}`, file);
  return files;
}

/** A module and all that it imports from beside it, but for types. */
function modulesFrom(entry: URL): readonly URL[] {
  const found = [entry];
  for (const file of found) {
    for (const [, name] of readFileSync(file, "utf8").matchAll(/^(?:import|export) (?!type\b)[^;"]*from "(\.\/[\w.-]+)"/gm)) {
      const next = new URL(name!, file);
      if (!found.some(({ href }) => href === next.href)) found.push(next);
    }
  }
  return found;
}

/** Adds the console page to the app. Files are read at their first request and then kept; a browser asks each time whether they have changed. */
export function servePage(app: Hono<AppEnv>): void {
  const assets = new Map<string, Promise<Asset>>();
  for (const [path, file] of consoleFiles()) {
    const type = mediaTypes[file.pathname.slice(file.pathname.lastIndexOf(".") + 1)]!;
    app.get(path, async (context) => {
      context.set("content", "console");
      let asset = assets.get(path);
      if (!asset) assets.set(path, (asset = readAsset(file)));
      return answer(context, type, await asset.catch((error: unknown) => {
        assets.delete(path);
        throw error;
      }));
    });
  }
}

async function readAsset(file: URL): Promise<Asset> {
  const body = file.pathname.endsWith(".ts") ? await readModule(file) : new Uint8Array(await readFile(file));
  return { body, etag: `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"` };
}

/** TypeScript as a browser takes it: types are blanked out, and the SDK, which is imported by its name, is found by its path. */
async function readModule(file: URL): Promise<Uint8Array<ArrayBuffer>> {
  const { transformSync } = await import("amaro"); // when a page is first asked for: it brings a compiler with it
  const { code } = transformSync(await readFile(file, "utf8"), { mode: "strip-only" });
  return new TextEncoder().encode(code.replace('from "@busbar/client"', `from "/client/${nameOf(sdk)}"`));
}

function nameOf(file: URL): string {
  return file.pathname.slice(file.pathname.lastIndexOf("/") + 1);
}

function answer(context: Context<AppEnv>, type: string, { body, etag }: Asset): Response {
  const headers = { etag, "cache-control": "no-cache" };
  if (context.req.header("if-none-match") === etag) return context.body(null, 304, headers);
  return context.body(body, 200, { ...headers, "content-type": type });
}
