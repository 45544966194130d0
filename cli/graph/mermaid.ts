import type { Flow, FlowNode } from "@busbar/core";

/** The flow as a Mermaid flowchart. Ids and labels of a config may hold anything: ids are numbered, labels quoted with entities. */
export function formatMermaid(flow: Flow): string {
  const ids = new Map(flow.nodes.map((node, at) => [node.id, `n${at}`]));
  const lines = ["flowchart LR"];
  for (const node of flow.nodes) lines.push(`  ${ids.get(node.id)}${shape(node)}`);
  for (const { from, to, label } of flow.edges) lines.push(`  ${ids.get(from)} -->${label === "" ? "" : `|${quote(label)}|`} ${ids.get(to)}`);
  return lines.join("\n");
}

function shape({ kind, label, writes }: FlowNode): string {
  const text = quote(writes === undefined ? label : `${label}${writes ? ", may move machines" : ", moves nothing"}`);
  return kind === "bus" ? `{{${text}}}` : kind === "route" ? `([${text}])` : `[${text}]`;
}

/** Mermaid's own entity codes: `#35;` is #, `#quot;` is ". */
function quote(text: string): string {
  return `"${text.replace(/[#"<>&|\u0000-\u001f]/g, (char) => `#${char.charCodeAt(0)};`)}"`;
}
