import type { Flow } from "@busbar/core";
import { oneLine, paint } from "../terminal.ts";

const busId = "bus";

/** The flow as a drawing for a terminal: the bus as a rail from top to bottom, plugins bolted to its left with what they need beside them, routes to its right. */
export function drawFlow(flow: Flow): string {
  const labels = new Map(flow.nodes.map(({ id, label }) => [id, oneLine(label)]));
  const plugins = flow.nodes.filter(({ kind }) => kind === "plugin");
  const routes = flow.nodes.filter(({ kind }) => kind === "route");
  const width = Math.max(0, ...plugins.map(({ label }) => oneLine(label).length));
  const margin = " ".repeat(width + 8);
  const rail = paint("yellow", "┃");
  const lines = [`${margin}${paint("yellow", "╻")} bus`];
  for (const { id, label, writes } of plugins) {
    const text = oneLine(label);
    const taps = flow.edges.some(({ from, to }) => from === busId && to === id);
    const needs = flow.edges.filter(({ from, to }) => to === id && from !== busId && !from.startsWith("route:")).map(({ from, label: port }) => `${port} from ${oneLine(from)}`);
    const notes = [...(writes === undefined ? [] : [writes ? "may move machines" : "moves nothing: allowWrites is false"]), ...(taps ? ["keeps the journal"] : []), ...(needs.length === 0 ? [] : [`needs ${needs.join(", ")}`])].join("; ");
    lines.push(`  ${paint("bold", text)} ${taps ? "◀" : "─"}${"─".repeat(width - text.length + 2)}▶ ${paint("yellow", "┫")}${notes === "" ? "" : ` ${paint("dim", notes)}`}`);
  }
  for (const { id, label } of routes) {
    const from = flow.edges.find((edge) => edge.to === id)?.label ?? "";
    const out = flow.edges.find((edge) => edge.from === id);
    const to = out === undefined ? "" : out.to === busId ? out.label : (labels.get(out.to) ?? out.to);
    lines.push(margin + rail, `${margin}${paint("yellow", "┣")}─ ${paint("cyan", oneLine(from))} ─▶ [ ${oneLine(label)} ] ─▶ ${paint("cyan", oneLine(to))}`);
  }
  lines.push(`${margin}${paint("yellow", "╹")}`);
  return lines.join("\n");
}
