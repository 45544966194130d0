import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readAck } from "../../plugins/storage-sqlite/ack-file.ts";
import { readOn } from "../../plugins/storage-sqlite/damage-fixture.ts";
import type { Finding } from "../../plugins/storage-sqlite/finding.ts";
import { openStorage } from "../../plugins/storage-sqlite/storage.ts";
import { cutPower, nothingStays, readImage, writeImage, type DiskImage } from "./disk-image.ts";
import { readDiskTrace, traceDisk, type DiskEvent } from "./disk-trace.ts";
import { judgeCut, type Ack, type Found, type Survived, type Told } from "./power-cut-verdict.ts";
import { createRandom, type Random } from "./random.ts";
import type { FaultOptions, Figures, Runtime, Scenario } from "./scenario.ts";
import { straceMissing } from "./strace.ts";

const program = fileURLToPath(new URL("./power-cut-program.ts", import.meta.url));

/** Power cuts that are tried on one run of the program; the next one begins with what the last of them left. */
const cutsOfRun = 5;
const batches = 60;

/** Where a chain of runs stands: the disk, and what must be on it. */
interface Place extends Survived {
  readonly image: DiskImage;
}

/** The machine loses power, again and again, also while the storage recovers from the last time. */
export const powerCut: Scenario = {
  name: "power-cut",
  about: "the machine loses power at any moment of a storage's life: of what was not synced any pages or sectors reach the disk; then again, from what that left",
  cycles: { short: 4, long: 200 },
  missing: straceMissing,
  run: (options) => tryPowerCuts(options),
};

/** Runs the scenario; `careless` = the storage says "full" and syncs like "normal", to show that this is found out. */
export async function tryPowerCuts({ cycles, seed, runtime, log }: FaultOptions, { careless = false } = {}): Promise<Figures> {
  const random = createRandom(seed);
  const folder = await mkdtemp(join(tmpdir(), "busbar-faults-"));
  const counts = { sent: 0, acknowledged: 0, found: 0, lost: 0, doubled: 0, reordered: 0 };
  const normal = { acknowledged: 0, gone: 0, reported: 0 };
  const problems: string[] = [];
  const fresh: Place = { image: new Map(), epoch: undefined, last: 0, newest: 0, acks: [], cursors: [] };
  const places = { full: fresh, normal: fresh };
  let runs = 0;
  try {
    for (let cycle = 0; cycle < cycles; runs++) {
      const durability = runs % 2 === 0 ? "full" : "normal";
      if (runs % 10 < 2) places[durability] = fresh;
      const place = places[durability];
      const events = await runProgram(join(folder, `run-${runs}`), { place, durability: careless ? "normal" : durability, run: runs, runtime });
      const moments = Array.from({ length: Math.min(cutsOfRun, cycles - cycle) }, () => drawMoment(events, random)).sort((one, other) => one - other);
      for (const [at, moment] of moments.entries()) {
        const image = cutPower(place.image, events, { moment, random, luck: careless ? nothingStays : undefined });
        const told = whatWasTold(events.slice(0, moment));
        const found = await readDisk(image, join(folder, "cut"));
        const verdict = judgeCut(found, { before: place, told, durability });
        problems.push(...verdict.problems.map((text) => `${durability}, run ${runs}, event ${moment} of ${events.length}: ${text}`));
        counts.doubled += verdict.doubled;
        counts.reordered += verdict.reordered;
        if (durability === "full") counts.lost += verdict.missing;
        else {
          normal.gone += verdict.missing;
          normal.reported += verdict.reported;
        }
        if (at < moments.length - 1) continue;
        const acknowledged = told.acks.reduce((sum, { count }) => sum + count, 0);
        if (durability === "full") {
          counts.sent += told.asked;
          counts.acknowledged += acknowledged;
          counts.found += verdict.found;
        } else normal.acknowledged += acknowledged;
        const acks = [...place.acks, ...told.acks].filter(({ first, count, name }) => Array.from({ length: count }).every((_, part) => found.names.get(first + part) === `${name}.${part}`));
        places[durability] = { image, epoch: found.epoch, last: found.last, newest: Math.max(0, ...found.names.keys()), acks, cursors: found.cursor === undefined ? [] : [found.cursor] };
      }
      cycle += moments.length;
      if (runs % 10 === 9) log(`${cycle} of ${cycles} cycles`);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const details = { runs, "normal: acknowledged": normal.acknowledged, "normal: gone": normal.gone, "normal: reported as gone": normal.reported };
  return { cycles, ...counts, details, problems: problems.slice(0, 20) };
}

/** Runs the program to its end in a folder made of the place's image, and tells what it did. */
async function runProgram(folder: string, { place, durability, run, runtime }: { readonly place: Place; readonly durability: string; readonly run: number; readonly runtime: Runtime }): Promise<readonly DiskEvent[]> {
  writeImage(place.image, folder);
  const trace = `${folder}.trace`;
  const [command, ...words] = [...traceDisk(trace), ...runtime.command(program), join(folder, "busbar.db"), durability, String(run), String(batches)];
  const child = spawn(command!, words, { stdio: ["ignore", "ignore", "inherit"] });
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) throw new Error(`Cannot go on: the program of run ${run} ended with code ${code}`);
  const events = await readDiskTrace(trace, { folder, names: [...place.image.keys()] });
  checkTrace(events, { place, folder });
  await Promise.all([rm(trace), rm(folder, { recursive: true })]);
  return events;
}

/** What the trace says was written has to be what lies there now: otherwise something has escaped it. */
function checkTrace(events: readonly DiskEvent[], { place, folder }: { readonly place: Place; readonly folder: string }): void {
  const all = createRandom(0);
  const traced = cutPower(place.image, [...events, { what: "sync-folder", upTo: events.length }, ...syncOfAll(events, place.image.size)], { moment: Number.POSITIVE_INFINITY, random: all });
  const real = readImage(folder);
  for (const name of new Set([...traced.keys(), ...real.keys()])) if (!traced.get(name)?.equals(real.get(name) ?? Buffer.alloc(0))) throw new Error(`Cannot go on: the trace lacks something of "${name}"`);
}

function syncOfAll(events: readonly DiskEvent[], before: number): readonly DiskEvent[] {
  const made = events.filter(({ what }) => what === "make").length;
  return Array.from({ length: before + made }, (_, file) => ({ what: "sync", file, upTo: events.length }) as const);
}

/** Any moment; often the one in which something has just been acknowledged. */
function drawMoment(events: readonly DiskEvent[], random: Random): number {
  const acks = events.flatMap((event, at) => (event.what === "said" && event.text.startsWith("ack") ? [at + 1] : []));
  return random.chance(0.4) ? random.pick(acks) : random.between(0, events.length);
}

function whatWasTold(events: readonly DiskEvent[]): Told & { readonly asked: number } {
  const acks: Ack[] = [];
  const cursors: number[] = [];
  let asked = 0;
  for (const event of events) {
    if (event.what !== "said") continue;
    const [what, ...rest] = event.text.trim().split(" ");
    if (what === "ack") acks.push({ first: Number(rest[0]), count: Number(rest[1]), name: rest[2]! });
    else if (what === "ask") asked += Number(rest[0]);
    else if (what === "move") cursors.push(Number(rest[0]));
  }
  return { acks, cursors, asked };
}

/** Opens the storage on the disk and reads all of it. */
async function readDisk(image: DiskImage, folder: string): Promise<Found> {
  writeImage(image, folder);
  const file = join(folder, "busbar.db");
  const findings: Finding[] = [];
  const acknowledged = readAck(file + "-ack")?.last ?? 0;
  const storage = await openStorage({ file, onFinding: (finding) => findings.push(finding) });
  try {
    const atOpen = [...findings];
    const { journal } = storage;
    const { entries } = await readOn(journal);
    return {
      epoch: journal.epoch,
      last: journal.bounds().last,
      acknowledged,
      cursor: await journal.cursor("reader"),
      names: new Map(entries.map(({ offset, message }) => [offset, message.msgid])),
      findings: atOpen,
    };
  } finally {
    await storage.close();
    await rm(folder, { recursive: true });
  }
}
