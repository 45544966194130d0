import type { PlantData } from "./plant.ts";

/** The plant that is simulated when the config names none: a steam boiler, a cooling pump, a press, a conveyor, a lamp and a fan. */
export const defaultPlant: PlantData = {
  machines: [
    {
      id: "boiler-1",
      title: "Steam boiler",
      tags: [
        { name: "burner", kind: "bool", signal: { kind: "setpoint", value: true } },
        { name: "temperature-set", unit: "°C", range: [20, 200], signal: { kind: "setpoint", value: 165 } },
        {
          name: "temperature",
          unit: "°C",
          range: [20, 250],
          signal: { kind: "follow", of: "temperature-set", while: "burner", lag: 20_000, noise: 0.01 },
          alarm: { highHigh: 195, high: 180, hysteresis: 3 },
        },
        { name: "pressure", unit: "bar", range: [0, 16], signal: { kind: "random-walk", period: 120_000, low: 5, high: 12.5 }, alarm: { high: 11.5, low: 5.5, hysteresis: 0.4 } },
        { name: "water-level", unit: "%", range: [0, 100], signal: { kind: "sine", period: 90_000, low: 42, high: 78, noise: 0.03 }, alarm: { lowLow: 20, low: 30, hysteresis: 2 } },
        { name: "flue-gas", unit: "ppm", range: [0, 2_000], signal: { kind: "spike", every: 60_000, width: 6_000, low: 80, high: 900, noise: 0.04 }, alarm: { high: 700, hysteresis: 100 } },
        { name: "state", kind: "string", every: 1_000, signal: { kind: "step", levels: ["heating", "holding", "feeding"], every: 25_000 } },
      ],
    },
    {
      id: "pump-1",
      title: "Cooling pump",
      tags: [
        { name: "running", kind: "bool", signal: { kind: "setpoint", value: true } },
        { name: "speed-set", unit: "rpm", range: [0, 3_000], signal: { kind: "setpoint", value: 1_450 } },
        { name: "speed", unit: "rpm", range: [0, 3_200], signal: { kind: "follow", of: "speed-set", while: "running", lag: 3_000, noise: 0.004 } },
        { name: "flow", unit: "l/min", range: [0, 400], signal: { kind: "follow", of: "speed", factor: 0.12, lag: 1_000, noise: 0.01 }, alarm: { low: 60, hysteresis: 8 } },
        { name: "current", unit: "A", range: [0, 40], signal: { kind: "follow", of: "speed", factor: 0.009, lag: 500, noise: 0.015 } },
        { name: "vibration", unit: "mm/s", range: [0, 20], signal: { kind: "spike", every: 45_000, width: 3_000, low: 1.2, high: 9, noise: 0.06 }, alarm: { highHigh: 11, high: 7, hysteresis: 1 } },
        { name: "run-time", unit: "s", kind: "int", range: [0, 2_000_000_000], every: 1_000, signal: { kind: "counter", rate: 1 } },
      ],
      methods: [
        { name: "start", title: "Start the pump at a speed", set: { running: true }, arguments: [{ name: "speed", tag: "speed-set" }] },
        { name: "stop", title: "Stop the pump", set: { running: false } },
      ],
    },
    {
      id: "press-1",
      title: "Hydraulic press",
      tags: [
        { name: "force-set", unit: "kN", range: [0, 1_000], signal: { kind: "setpoint", value: 620 } },
        { name: "force", unit: "kN", range: [0, 1_000], signal: { kind: "sine", period: 8_000, low: 20, high: 640, noise: 0.02 } },
        { name: "stroke", unit: "mm", range: [0, 400], signal: { kind: "sine", period: 8_000, phase: 0.25, low: 5, high: 380 } },
        { name: "oil-temperature", unit: "°C", range: [0, 120], signal: { kind: "random-walk", period: 180_000, low: 38, high: 74 }, alarm: { high: 70, hysteresis: 2 } },
        { name: "parts", kind: "int", range: [0, 2_000_000_000], signal: { kind: "counter", rate: 0.125 } },
        { name: "guard-open", kind: "bool", signal: { kind: "step", levels: [false, false, false, false, false, false, false, true], every: 12_000 }, alarm: { when: true } },
        { name: "mode", kind: "string", signal: { kind: "step", levels: ["automatic", "automatic", "set-up"], every: 60_000 } },
      ],
      methods: [{ name: "reset-parts", title: "Count the parts anew", reset: ["parts"] }],
    },
    {
      id: "conveyor-1",
      title: "Conveyor",
      tags: [
        { name: "running", kind: "bool", signal: { kind: "setpoint", value: true } },
        { name: "speed-set", unit: "m/s", range: [0, 3], signal: { kind: "setpoint", value: 1.2 } },
        { name: "speed", unit: "m/s", range: [0, 3.2], signal: { kind: "follow", of: "speed-set", while: "running", lag: 2_000, noise: 0.01 } },
        { name: "motor-power", unit: "kW", range: [0, 7.5], signal: { kind: "follow", of: "speed", factor: 1.8, offset: 0.3, lag: 500, noise: 0.02 } },
        { name: "load", unit: "kg", range: [0, 500], signal: { kind: "step", levels: [40, 120, 260, 180, 90], every: 7_000, shuffled: true } },
        { name: "items", kind: "int", range: [0, 2_000_000_000], signal: { kind: "counter", rate: 0.8 } },
      ],
    },
  ],
  devices: [
    { kind: "lamp", id: "lamp-1", title: "Lamp" },
    { kind: "fan", id: "fan-1", title: "Fan" },
  ],
};
