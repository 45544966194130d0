import type { Audit } from "../../audit.ts";
import type { PluginPackage } from "../../config/permissions/plugin-manifest.ts";
import type { Journal } from "../../journal.ts";
import type { PluginContext } from "../../plugin.ts";
import type { Sessions } from "../../session/sessions.ts";
import type { IsolateSettings } from "./isolate-settings.ts";

/** What runs in an isolate, and how. */
export interface IsolateSpec {
  readonly settings: IsolateSettings;
  readonly package: PluginPackage;
  /** The section of the config before the plugin's schema made anything of it. */
  readonly source: unknown;
  /** Whether routes may send to it. */
  readonly accepts: boolean;
  /** By the names of its ports: what stands behind those that cross the border. */
  readonly needs: (ctx: PluginContext) => { readonly sessions?: Sessions | undefined; readonly journal?: Pick<Journal, "epoch"> | undefined; readonly audit?: Audit | undefined };
}
