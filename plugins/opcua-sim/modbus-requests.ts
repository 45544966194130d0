import type { Counter, Metrics } from "@busbar/core";

/** How often one function was asked of one unit. */
export interface RequestCount {
  /** TCP port of the listener. */
  readonly port: number;
  readonly unit: number;
  readonly function: number;
  readonly requests: number;
}

/** Which requests are meant; what is left out means all. */
export type RequestFilter = Partial<Omit<RequestCount, "requests">>;

interface Row {
  readonly port: number;
  readonly unit: number;
  readonly function: number;
  requests: number;
  readonly metric: Counter;
}

/** Counts the Modbus requests that arrive, whatever becomes of them, by port, unit and function: what a client's economy is measured by. */
export class ModbusRequests {
  readonly #metrics: Pick<Metrics, "counter">;
  readonly #rows = new Map<number, Row>();

  constructor(metrics: Pick<Metrics, "counter">) {
    this.#metrics = metrics;
  }

  /** Counts one request. */
  count(port: number, unit: number, functionCode: number): void {
    const key = port * 65_536 + unit * 256 + functionCode;
    let row = this.#rows.get(key);
    if (!row) {
      const labels = { port: String(port), unit: String(unit), function: String(functionCode) };
      row = { port, unit, function: functionCode, requests: 0, metric: this.#metrics.counter("busbar_opcua_sim_modbus_requests_total", "Modbus requests that arrived", labels) };
      this.#rows.set(key, row);
    }
    row.requests++;
    row.metric.value++;
  }

  /** How many there were since the start or the last `reset`. */
  total(filter: RequestFilter = {}): number {
    return this.rows(filter).reduce((sum, row) => sum + row.requests, 0);
  }

  /** The same by port, unit and function, in the order in which they were first asked. */
  rows(filter: RequestFilter = {}): readonly RequestCount[] {
    const fits = (row: Row): boolean => row.requests > 0 && (["port", "unit", "function"] as const).every((key) => filter[key] === undefined || filter[key] === row[key]);
    return [...this.#rows.values()].filter(fits).map(({ metric: _, ...row }) => row);
  }

  /** Counts from zero again; the metric goes on. */
  reset(): void {
    for (const row of this.#rows.values()) row.requests = 0;
  }
}
