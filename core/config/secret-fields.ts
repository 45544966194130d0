import type { SourceNode } from "./source-tree.ts";

/** Names of fields that hold a secret: wherever one of these words stands in them, but for the paths of files. */
const secretName = /secret|passw|passphrase|token|authorization|cookie|api-?key|private-?key|credential/i;
const fileName = /file$/i;
/** The password of a URL (RFC 3986 §3.2.1). */
const password = /:\/\/[^\s/:@]*:[^\s/@]+@/;

/** What stands in a message in the place of a secret. */
const placeholder = "[secret]";

/** Marks what a config says in plain text in fields for secrets, so that no message repeats it: a mistake beside a secret, or in it, is said in a terminal, in CI, in a bug report. */
export function hideSecrets(node: SourceNode, secret = false): void {
  if (node.kind === "list") for (const item of node.items) hideSecrets(item, secret);
  else if (node.kind === "map") for (const [name, entry] of node.entries) hideSecrets(entry.node, secret || (secretName.test(name) && !fileName.test(name)));
  else if (node.shown === undefined && typeof node.value === "string" && (secret || password.test(node.value))) {
    node.shown = placeholder;
    node.secrets = [node.value];
  }
}
