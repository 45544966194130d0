import { BusbarError } from "../errors.ts";
import type { PluginContext } from "../plugin.ts";
import { isLoopback } from "./address.ts";

/** A place at which a plugin with some config listens: what its `listens` gives. */
export interface ListenerPlace {
  /** What is there, such as "OPC UA server". */
  readonly what: string;
  /** Where in the plugin's config its `host` stands, without that word: [] at the top, ["modbus"] in a section. `insecure` stands beside it. */
  readonly at: readonly string[];
  readonly host: string;
  /** Whether whoever can see the network reads and changes nothing of what is said. */
  readonly encrypted: boolean;
  /** Whether the config says that it may go without. */
  readonly insecure: boolean;
}

/** Whether other machines reach it and nothing is encrypted. */
export function isExposed({ host, encrypted }: Pick<ListenerPlace, "host" | "encrypted">): boolean {
  return !encrypted && !isLoopback(host);
}

/** What the config of a listener that is open to others has to say, for the problem with its `host`. */
export const exposureHint = "give it tls where it can have one, or say insecure: true beside it where the network is trusted, or listen on 127.0.0.1";

/** Whether it must not listen: the gateway wants TLS beyond this machine, and the config does not allow it to go without. */
export function isRefused(place: ListenerPlace, requireTls: boolean): boolean {
  return requireTls && !place.insecure && isExposed(place);
}

/**
 * Decides about the places where an instance is going to listen: each that is open to others without TLS is warned about, at each start, and counted.
 * @throws {BusbarError} CONFIG for one that must not.
 */
export function admitListeners(places: readonly ListenerPlace[], { id, log, metrics }: Pick<PluginContext, "id" | "log" | "metrics">, requireTls: boolean): void {
  const exposed = places.filter(isExposed);
  for (const place of exposed) {
    const section = ["plugins", id, ...place.at].join(".");
    if (isRefused(place, requireTls)) throw new BusbarError("CONFIG", `Cannot listen on ${place.host} without TLS: set ${section}.tls, or ${section}.insecure to true where the network is trusted`);
    log.warn(`${place.what} listens beyond this machine without TLS: whoever sees the network can read and change what is said`, { host: place.host });
  }
  if (exposed.length > 0) metrics.gauge("busbar_insecure_listeners", "Listeners that other machines reach, without TLS", () => exposed.length, { instance: id });
}
