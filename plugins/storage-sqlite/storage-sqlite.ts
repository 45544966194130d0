import { AuditPort, covers, definePlugin, errorText, JournalPort, loadEncryption, StorePort, type Envelope } from "@busbar/core";
import { config } from "./config.ts";
import { CursorWatch } from "./cursor-watch.ts";
import { presenceDevice } from "./presence.ts";
import { openStorage } from "./storage.ts";
import { watchSealing } from "./watch-sealing.ts";

/** Steps of retention in a row; the next ones wait for the next interval. */
const maxSteps = 1000;
/** Steps of rolling up in a row, of some 20,000 readings: a file from before there were rollups must not keep retention waiting. */
const maxRolls = 200;

/** The plugin: see mod.ts. */
export const storageSqlite = definePlugin({
  name: "storage-sqlite",
  description: "Journal, series, devices and retained values in SQLite",
  config,
  needs: { audit: AuditPort },
  provides: { journal: JournalPort, store: StorePort },
  async setup(ctx) {
    const { config: settings, metrics, clock, log } = ctx;
    const stored = metrics.counter("busbar_storage_readings_stored_total", "Readings stored");
    const entered = metrics.counter("busbar_storage_readings_entered_total", "Messages with readings that came to be stored");
    const written = metrics.counter("busbar_storage_readings_settled_total", "Messages with readings that were written; those dropped are in busbar_dropped_total", { fate: "written" });
    const eighth = (bytes: number): number => bytes + Math.floor(bytes / 8);
    const encryption = settings.encryption && (await loadEncryption(settings.encryption, (file) => ctx.path(file)));
    const storage = await openStorage({
      encryption,
      readings: settings.readings,
      file: ctx.path(settings.file),
      durability: settings.durability,
      journalLimit: eighth(settings.journal.maxSize),
      seriesLimit: eighth(settings.series.size),
      maxSeries: settings.series.maxSeries,
      counters: {
        appended: metrics.counter("busbar_storage_journal_appended_total", "Messages appended to the journal"),
        commits: metrics.counter("busbar_storage_commit_seconds_count", "Batches committed to the journal"),
        commitSeconds: metrics.counter("busbar_storage_commit_seconds_sum", "Seconds from append to acknowledgement, of all batches"),
      },
      queue: {
        limit: settings.queue,
        onStored: (count) => void (stored.value += count),
        onDropped: (reason, count) => void (metrics.counter("busbar_storage_readings_dropped_total", "Readings that were not stored", { reason }).value += count),
        onWritten: (count) => void (written.value += count),
        onLost: (reason, count) => void (metrics.counter("busbar_dropped_total", "Dropped, by reason: messages, deliveries to subscribers, deliveries to peers", { of: "storage_readings", reason }).value += count),
        onError: (error) => log.error("cannot store readings", { error: errorText(error) }),
      },
      now: () => clock.now(),
      onProgress: () => ctx.progress(),
      onFinding: ({ reason, kind, lost, message, keptAs }) => {
        metrics.counter("busbar_storage_lost_total", "Messages of the journal that were acknowledged and are damaged or gone", { reason }).value += lost;
        log.error(message, { reason, kind, lost, ...(keptAs === undefined ? {} : { keptAs }) });
      },
      onCrash: (error) => ctx.fail(error),
    });
    ctx.defer(() => storage.close());

    const store = (message: Envelope): void => {
      entered.value++;
      storage.queue.add(message);
    };
    for (const pattern of settings.readings) {
      if (settings.readings.some((other) => other !== pattern && covers(other, pattern))) continue; // or a message would be stored twice
      const subscription = ctx.bus.subscribe(pattern, store);
      ctx.defer(() => subscription.close());
    }
    const presence = ctx.bus.subscribe("event/#", (message) => {
      if (presenceDevice(message.topic) !== undefined) store(message);
    });
    ctx.defer(() => presence.close());
    ctx.defer(clock.every(settings.flushInterval, () => storage.queue.flush()));

    let sizes = { journalBytes: 0, seriesBytes: 0 };
    const forced = metrics.counter("busbar_storage_journal_forced_total", "Messages removed by the size limit that a durable reader had not passed");
    const sealing = watchSealing(ctx, storage.rekeying, encryption);
    const watch = new CursorWatch({ metrics, log, clock, size: settings.journal.size, last: () => storage.journal.bounds().last });
    ctx.defer(() => watch.close());
    let said = false;
    const ackFailed = (error: string): void => {
      if (!said) log.warn("what is acknowledged cannot be written beside the journal: a later loss may not be noticed", { error });
      said = true;
    };
    const retain = async (signal: AbortSignal): Promise<void> => {
      for (let step = 0; step < maxSteps && !signal.aborted; step++) {
        const now = clock.now();
        const report = await storage.retain({
          journal: { before: now - settings.journal.maxAge, size: settings.journal.size, maxSize: settings.journal.maxSize },
          series: { before: now - settings.series.maxAge, rollupsBefore: now - settings.series.rollupAge, size: settings.series.size, now },
        });
        sizes = report;
        forced.value += report.journalForced;
        if (report.journalForced > 0) log.warn("the journal is over its size limit: messages that durable readers still need were removed", { messages: report.journalForced, readers: report.journalReaders, maxSize: settings.journal.maxSize });
        if (report.ackError !== undefined) ackFailed(report.ackError);
        if (!report.more) return;
      }
    };
    const rolled = metrics.counter("busbar_storage_readings_rolled_total", "Readings looked at to roll them up");
    const roll = async (signal: AbortSignal): Promise<void> => {
      for (let step = 0; step < maxRolls && !signal.aborted; step++) {
        const { readings, more } = await storage.roll(clock.now());
        rolled.value += readings;
        if (!more) return;
      }
    };
    ctx.run(async (signal) => {
      for (;;) {
        await roll(signal);
        await retain(signal);
        watch.look(await storage.journal.cursors(), sizes.journalBytes);
        await sealing.look();
        await clock.sleep(settings.retentionInterval, signal);
      }
    });

    const { journal } = storage;
    metrics.gauge("busbar_storage_journal_bytes", "Bytes in use in the journal's file", () => sizes.journalBytes);
    metrics.gauge("busbar_storage_series_bytes", "Bytes in use in the file of the series", () => sizes.seriesBytes);
    metrics.gauge("busbar_storage_journal_entries", "Messages in the journal", () => journal.bounds().last - journal.bounds().first + 1);
    metrics.gauge("busbar_storage_readings_waiting", "Messages with readings that wait for the database", () => storage.queue.size);
    return { journal, store: storage.store };
  },
});
