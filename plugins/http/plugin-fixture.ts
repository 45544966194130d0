import { definePlugin, HttpPort, type Http } from "@busbar/core";
import { testPlugin, type TestGateway } from "@busbar/core/testkit";
import * as v from "valibot";
import { http } from "./mod.ts";

/** A gateway with the plugin on a free port, and its Http port as another plugin gets it. */
export interface PluginFixture extends AsyncDisposable {
  readonly gateway: TestGateway;
  readonly port: number;
  readonly http: Http;
  readonly url: string;
}

/** Starts one; `config` as in a config file, besides the port. */
export async function openPlugin(config: object = {}): Promise<PluginFixture> {
  let shared: Http | undefined;
  const user = definePlugin({
    name: "user",
    description: "Takes the Http port",
    config: v.strictObject({}),
    needs: { http: HttpPort },
    setup({ needs }) {
      shared = needs.http;
    },
  });
  const gateway = await testPlugin(http, { port: 0, ...config }, { plugins: { user: [user, {}] } });
  const url = gateway.urls[0]!;
  return { gateway, url, port: Number(new URL(url).port), http: shared!, [Symbol.asyncDispose]: () => gateway.stop() };
}
