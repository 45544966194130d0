import { nearest } from "@busbar/core";
import { defineCommand, type OptionSpecs } from "../command.ts";
import { usageFailure } from "../failure.ts";
import { modbusProbe } from "../probe/modbus.ts";
import { opcuaProbe } from "../probe/opcua.ts";
import type { ProbeProtocol } from "../probe/probe-protocol.ts";

/** The protocols, by the word that comes first. */
const protocols: Readonly<Record<string, ProbeProtocol<any>>> = {
  modbus: modbusProbe,
  opcua: opcuaProbe,
};

const names = Object.keys(protocols);

/** `busbar probe`: what a device has, and the config that reads it. */
export default defineCommand({
  description: `Connects to a device, reads, and prints what an engineer needs to write the config: what is there, in every way it can be read, and a block of YAML to paste. Writes nothing to the device. ${Object.entries(protocols).map(([name, { address }]) => `For ${name} the address is ${address}.`).join(" ")}`,
  positionals: ["protocol", "address"],
  options: {
    ...(Object.assign({}, ...Object.values(protocols).map(({ options }) => options)) as OptionSpecs),
    json: { kind: "flag", text: "print what was found as JSON" },
  },
  examples: Object.values(protocols).flatMap(({ examples }) => examples),
  async run({ positionals: [protocol, address], options }) {
    const known = Object.hasOwn(protocols, protocol!) ? protocols[protocol!] : undefined;
    if (known) return await known.run(address!, options as never);
    const near = nearest(protocol!, names);
    throw usageFailure(`probe: the protocol must be ${names.join(" or ")}, not "${protocol}"${near === undefined ? "" : `; did you mean ${near}?`}`);
  },
});
