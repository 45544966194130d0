import type { AuditEntry, AuditFeed } from "../audit.ts";
import { gatewayId } from "../topic.ts";

/** Entries, and bytes of them, that wait at the most. */
const mostEntries = 10_000;
const mostBytes = 8 * 1024 * 1024;

/**
 * What waits for the audit log, in order. When too much waits the newest are lost; where they would stand there is then an entry `lost` with their number, and when the first and the last of them
 * came, so that the log says of itself that it is not whole.
 */
export class AuditQueue implements AuditFeed {
  #entries: AuditEntry[] = [];
  #sizes: number[] = [];
  #bytes = 0;
  #lost = 0;
  #since = 0;
  #until = 0;
  #pressing: { readonly count: number; readonly listener: () => void } | undefined;

  get waiting(): number {
    return this.#entries.length;
  }

  /** Takes an entry of about `size` bytes. Returns false when it is lost. */
  push(entry: AuditEntry, size: number): boolean {
    if (this.#entries.length >= mostEntries || this.#bytes + size > mostBytes) {
      if (this.#lost++ === 0) this.#since = entry.time;
      this.#until = entry.time;
      return false;
    }
    this.#sayLost();
    this.#add(entry, size);
    return true;
  }

  take(limit: number): readonly AuditEntry[] {
    const taken = this.#entries.splice(0, limit);
    for (const size of this.#sizes.splice(0, limit)) this.#bytes -= size;
    if (this.#entries.length === 0) this.#sayLost();
    return taken;
  }

  whenWaiting(count: number, listener: () => void): () => void {
    const pressing = (this.#pressing = { count, listener });
    this.#press();
    return () => {
      if (this.#pressing === pressing) this.#pressing = undefined;
    };
  }

  #press(): void {
    if (this.#pressing === undefined || this.#entries.length < this.#pressing.count) return;
    const { listener } = this.#pressing;
    this.#pressing = undefined;
    listener();
  }

  #sayLost(): void {
    if (this.#lost === 0) return;
    this.#add({ time: this.#until, action: "lost", source: gatewayId, fields: { count: this.#lost, since: this.#since, until: this.#until } }, 128);
    this.#lost = 0;
  }

  #add(entry: AuditEntry, size: number): void {
    this.#entries.push(entry);
    this.#sizes.push(size);
    this.#bytes += size;
    this.#press();
  }
}
