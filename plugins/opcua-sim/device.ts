import type { DeviceSpec, MachineSpec, TagSpec } from "./plant.ts";

const setpoint = (name: string, kind: "bool" | "int", value: boolean | number, options: { readonly unit?: string; readonly high?: number } = {}): TagSpec => ({
  name,
  kind,
  unit: options.unit ?? "",
  range: [0, options.high ?? 1],
  signal: { kind: "setpoint", value },
});

/** A smart-home device as a machine: its commands write set points, its other tags follow them. */
export function machineOfDevice(device: DeviceSpec): MachineSpec {
  const { id, title } = device;
  const plain = { id, title, methods: [], arrays: [], structures: [] };
  if (device.kind === "lamp") {
    const power = { kind: "follow" as const, of: "brightness", while: "on", factor: device.watts / 100, offset: 0, lag: 200, noise: 0 };
    return {
      ...plain,
      tags: [setpoint("on", "bool", false), setpoint("brightness", "int", 100, { unit: "%", high: 100 }), { name: "power", kind: "float", unit: "W", range: [0, device.watts], decimals: 2, signal: power }],
    };
  }
  const rpm = { kind: "follow" as const, of: "speed", while: "on", factor: 400, offset: 0, lag: 1_500, noise: 0 };
  return {
    ...plain,
    tags: [setpoint("on", "bool", false), setpoint("speed", "int", 1, { high: device.speeds }), { name: "rpm", kind: "float", unit: "rpm", range: [0, 400 * device.speeds], decimals: 0, signal: rpm }],
  };
}
