import { flowOf } from "@busbar/core";
import { defineCommand } from "../command.ts";
import { findConfig, readConfig } from "../config-file.ts";
import { drawFlow } from "../graph/draw-flow.ts";
import { formatMermaid } from "../graph/mermaid.ts";
import { print } from "../terminal.ts";

/** `busbar graph`: the composed flow, for a terminal, Mermaid or a program. */
export default defineCommand({
  description: "Draws the flow that a config composes: the plugins, what they need of each other, and the routes. Nothing is started.",
  positionals: ["config?"],
  options: {
    mermaid: { kind: "flag", text: "print a Mermaid flowchart, which Markdown viewers draw" },
    json: { kind: "flag", text: 'print {"nodes":[{"id","kind","label","writes"?}],"edges":[{"from","to","label"}]}' },
  },
  examples: [
    ["busbar graph examples/default/busbar.yaml", "look at it in the terminal"],
    ["busbar graph --mermaid > flow.mmd", "put it into a document"],
  ],
  async run({ positionals, options }) {
    const flow = flowOf(await readConfig(await findConfig(positionals[0])));
    print(options.json ? JSON.stringify(flow) : options.mermaid ? formatMermaid(flow) : drawFlow(flow));
    return 0;
  },
});
