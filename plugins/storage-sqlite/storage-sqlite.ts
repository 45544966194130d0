import { covers, definePlugin, errorText, JournalPort, StorePort } from "@busbar/core";
import { config } from "./config.ts";
import { presenceDevice } from "./presence.ts";
import { openStorage } from "./storage.ts";

/** Steps of retention in a row; the next ones wait for the next interval. */
const maxSteps = 1000;

/** The plugin: see mod.ts. */
export const storageSqlite = definePlugin({
  name: "storage-sqlite",
  description: "Journal, series, devices and retained values in SQLite",
  config,
  provides: { journal: JournalPort, store: StorePort },
  async setup(ctx) {
    const { config: settings, metrics, clock, log } = ctx;
    const stored = metrics.counter("busbar_storage_readings_stored_total", "Readings stored");
    const eighth = (bytes: number): number => bytes + Math.floor(bytes / 8);
    const storage = await openStorage({
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
        onDropped: (reason, count) => void (metrics.counter("busbar_storage_readings_dropped_total", "Readings, or whole messages, that were not stored", { reason }).value += count),
        onError: (error) => log.error("cannot store readings", { error: errorText(error) }),
      },
      onCrash: (error) => ctx.fail(error),
    });
    ctx.defer(() => storage.close());

    for (const pattern of settings.readings) {
      if (settings.readings.some((other) => other !== pattern && covers(other, pattern))) continue; // or a message would be stored twice
      const subscription = ctx.bus.subscribe(pattern, (message) => storage.queue.add(message));
      ctx.defer(() => subscription.close());
    }
    const presence = ctx.bus.subscribe("event/#", (message) => {
      if (presenceDevice(message.topic) !== undefined) storage.queue.add(message);
    });
    ctx.defer(() => presence.close());
    ctx.defer(clock.every(settings.flushInterval, () => storage.queue.flush()));

    let sizes = { journalBytes: 0, seriesBytes: 0 };
    const forced = metrics.counter("busbar_storage_journal_forced_total", "Messages removed by the size limit that a durable reader had not passed");
    const retain = async (signal: AbortSignal): Promise<void> => {
      for (let step = 0; step < maxSteps && !signal.aborted; step++) {
        const now = clock.now();
        const report = await storage.retain({
          journal: { before: now - settings.journal.maxAge, size: settings.journal.size, maxSize: settings.journal.maxSize },
          series: { before: now - settings.series.maxAge, size: settings.series.size },
        });
        sizes = report;
        forced.value += report.journalForced;
        if (report.journalForced > 0) log.warn("the journal is over its size limit: messages that a durable reader still needs were removed", { messages: report.journalForced, maxSize: settings.journal.maxSize });
        if (!report.more) return;
      }
    };
    ctx.run(async (signal) => {
      for (;;) {
        await retain(signal);
        await clock.sleep(settings.retentionInterval, signal);
      }
    });

    const { journal } = storage;
    metrics.gauge("busbar_storage_journal_bytes", "Bytes in use in the journal's file", () => sizes.journalBytes);
    metrics.gauge("busbar_storage_series_bytes", "Bytes in use in the file of the series", () => sizes.seriesBytes);
    metrics.gauge("busbar_storage_journal_entries", "Messages in the journal", () => journal.bounds().last - journal.bounds().first + 1);
    metrics.gauge("busbar_storage_queue_messages", "Messages with readings that wait for the database", () => storage.queue.size);
    return { journal, store: storage.store };
  },
});
