import { readFile } from "node:fs/promises";
import { definePlugin, HttpPort } from "@busbar/core";
import * as v from "valibot";

/** The files of the page, by path below the mount, with their media types. */
const files: Readonly<Record<string, string>> = { "index.html": "text/html; charset=utf-8", "dashboard.css": "text/css; charset=utf-8", "dashboard.js": "text/javascript; charset=utf-8" };

/** A page of one's own beside the console: it is served by the gateway's HTTP server and gets its values over the gateway's WebSocket, by the SDK that the gateway serves as well. */
export default definePlugin({
  name: "dashboard",
  description: "The page of the line: what it makes, how it stands, what is wrong",
  config: v.strictObject({}),
  needs: { http: HttpPort },
  setup(ctx) {
    const { http } = ctx.needs;
    ctx.defer(http.mount("/dashboard", async ({ url }) => {
      const { pathname } = new URL(url);
      if (pathname === "/dashboard") return Response.redirect(new URL("/dashboard/", url), 308);
      const name = pathname.slice("/dashboard/".length) || "index.html";
      const type = Object.hasOwn(files, name) ? files[name] : undefined;
      if (type === undefined) return new Response("Not found", { status: 404 });
      return new Response(await readFile(new URL(`./dashboard/${name}`, import.meta.url)), { headers: { "content-type": type } });
    }));
    ctx.announce({ what: "Dashboard", url: `${http.url}/dashboard/` });
  },
});
