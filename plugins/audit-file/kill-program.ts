/*
 * Run by kill.test.ts: a gateway that writes to its audit log as fast as it is taken, in the folder that is named, until it is killed. Prints the number of the newest entry that is on the disk, a line each time it is another.
 */
import process from "node:process";
import { auditFolder } from "./audit-fixture.ts";

const folder = auditFolder({ after: () => {} }, process.argv[2]!);
const gateway = await folder.start({ fileSize: "256KiB", maxSize: "1MiB" });
let said = 0;
for (let n = 0; ; n++) {
  gateway.audit.write("command", { msgid: `m-${n}`, from: "app", to: "d-1", topic: "command/d-1" });
  if (n % 20 !== 0) continue;
  await new Promise((resolve) => setTimeout(resolve, 1));
  const seq = gateway.metric("busbar_audit_seq");
  if (seq !== said) process.stdout.write(`${(said = seq)}\n`);
}
