import { createReadStream, readdirSync } from "node:fs";
import { dirname } from "node:path";
import { createInterface } from "node:readline";

/**
 * What a program did to the files of one folder, and what it said on its standard output, in order. `file` numbers what lies behind a name, which stays the same when the name changes. A sync covers
 * what stands before `upTo` in the list: what came later may have been too late for it.
 */
export type DiskEvent =
  | { readonly what: "make"; readonly path: string; readonly file: number }
  | { readonly what: "write"; readonly file: number; readonly at: number; readonly bytes: Buffer }
  | { readonly what: "truncate"; readonly file: number; readonly size: number }
  | { readonly what: "sync"; readonly file: number; readonly upTo: number }
  | { readonly what: "sync-folder"; readonly upTo: number }
  | { readonly what: "rename"; readonly from: string; readonly to: string }
  | { readonly what: "remove"; readonly path: string }
  | { readonly what: "said"; readonly text: string };

/** Everything that changes a file, or would escape the trace. */
const calls = "openat,open,creat,close,lseek,pwrite64,write,writev,pwritev,pwritev2,fsync,fdatasync,sync_file_range,ftruncate,truncate,fallocate,unlink,unlinkat,rename,renameat,renameat2,copy_file_range,link,linkat,symlink,dup,dup2,dup3";

/** The words that run a program under strace(1), which writes down all of that, with every byte, to `output`. */
export function traceDisk(output: string): readonly string[] {
  return ["strace", "-f", "--seccomp-bpf", "-qq", "-xx", "-s", "1000000", "-o", output, "-e", `trace=${calls}`, "-e", "signal=none"];
}

/** A call that has begun: its arguments, and how many events there were before it. */
interface Begun {
  readonly call: string;
  readonly text: string;
  readonly events: number;
}

/** Whose descriptor it is, and where it writes next. */
interface Descriptor {
  readonly file: number | "folder";
  readonly appends: boolean;
  at: number;
}

/**
 * Reads what `traceDisk` wrote about the files in `folder`, absolute, in which those of `names` lay when the program began: their numbers are their places in that list.
 * @throws {Error} for a call on such a file that is not understood here.
 */
export async function readDiskTrace(output: string, { folder, names }: { readonly folder: string; readonly names: readonly string[] }): Promise<readonly DiskEvent[]> {
  const events: DiskEvent[] = [];
  const files = new Map(names.map((name, file) => [name, file]));
  const sizes = new Map<number, number>();
  const descriptors = new Map<number, Descriptor>();
  const begun = new Map<string, Begun>();
  let count = names.length;

  const nameOf = (path: string): string | undefined => (dirname(path) === folder ? path.slice(folder.length + 1) : undefined);
  const write = (descriptor: Descriptor, bytes: Buffer, place?: number): void => {
    if (descriptor.file === "folder") return;
    const at = place ?? (descriptor.appends ? sizes.get(descriptor.file) ?? 0 : descriptor.at);
    events.push({ what: "write", file: descriptor.file, at, bytes });
    if (place === undefined) descriptor.at = at + bytes.length;
    sizes.set(descriptor.file, Math.max(sizes.get(descriptor.file) ?? 0, at + bytes.length));
  };

  const done = ({ call, text, events: before }: Begun, result: number): void => {
    if (result < 0) return;
    const [first = "", second = "", third = ""] = text.split(", ", 3);
    if (call === "openat") {
      const path = textOf(second);
      const name = nameOf(path);
      descriptors.delete(result);
      if (path === folder) descriptors.set(result, { file: "folder", appends: false, at: 0 });
      if (name === undefined) return;
      let file = files.get(name);
      if (file === undefined) {
        if (!third.includes("O_CREAT")) throw new Error(`Cannot follow "${name}": it was not made`);
        events.push({ what: "make", path: name, file: (file = count++) });
        files.set(name, file);
      } else if (third.includes("O_TRUNC")) {
        events.push({ what: "truncate", file, size: 0 });
        sizes.set(file, 0);
      }
      descriptors.set(result, { file, appends: third.includes("O_APPEND"), at: 0 });
      return;
    }
    if (call.startsWith("unlink") || call.startsWith("rename")) {
      const [from, to] = [...text.matchAll(/"((?:\\x..)*)"/g)].map((found) => nameOf(textOf(found[0])));
      if (from === undefined) return;
      const file = files.get(from)!;
      files.delete(from);
      if (call.startsWith("unlink")) events.push({ what: "remove", path: from });
      else if (to === undefined) throw new Error(`Cannot follow "${from}" out of its folder`);
      else events.push({ what: "rename", from, to }), files.set(to, file);
      return;
    }
    const descriptor = descriptors.get(Number(first));
    if (descriptor === undefined) return;
    if (call === "close") return void descriptors.delete(Number(first));
    if (call === "fsync" || call === "fdatasync") events.push(descriptor.file === "folder" ? { what: "sync-folder", upTo: before } : { what: "sync", file: descriptor.file, upTo: before });
    else if (call === "lseek") descriptor.at = result;
    else if (call === "pwrite64") write(descriptor, bytesOf(text).subarray(0, result), Number(text.slice(text.lastIndexOf(", ") + 2)));
    else if (call === "write") write(descriptor, bytesOf(text).subarray(0, result));
    else if (call === "ftruncate" && descriptor.file !== "folder") {
      events.push({ what: "truncate", file: descriptor.file, size: Number(second) });
      sizes.set(descriptor.file, Number(second));
    } else throw new Error(`Cannot follow ${call}(${text.slice(0, 100)}) on a file of the folder`);
  };

  for await (const line of createInterface({ input: createReadStream(output, "latin1") })) {
    const resumed = /^(\d+) +<\.\.\. \w+ resumed>(.*)\) += (-?\d+|\?)/.exec(line);
    if (resumed) {
      const open = begun.get(resumed[1]!);
      begun.delete(resumed[1]!);
      if (open && resumed[3] !== "?") done({ ...open, text: open.text + resumed[2]! }, Number(resumed[3]));
      continue;
    }
    const head = /^(\d+) +(\w+)\(/.exec(line);
    if (!head) continue;
    const unfinished = line.endsWith(" <unfinished ...>");
    const end = unfinished ? line.length - " <unfinished ...>".length : line.lastIndexOf(")");
    const text = line.slice(head[0].length, end);
    // what was said is known to everybody as soon as the call begins
    if (head[2] === "write" && text.startsWith("1, ")) events.push({ what: "said", text: bytesOf(text).toString() });
    const open = { call: head[2]!, text, events: events.length };
    if (unfinished) begun.set(head[1]!, open);
    else done(open, Number(/^\) += (-?\d+)/.exec(line.slice(end))?.[1] ?? -1));
  }
  return events;
}

/** The names of the files in a folder, in order. */
export function namesIn(folder: string): readonly string[] {
  return readdirSync(folder).sort();
}

/** The bytes of the first string of a call. */
function bytesOf(text: string): Buffer {
  const from = text.indexOf('"') + 1;
  return Buffer.from(text.slice(from, text.indexOf('"', from)).replaceAll("\\x", ""), "hex");
}

function textOf(word: string): string {
  return bytesOf(word).toString();
}
