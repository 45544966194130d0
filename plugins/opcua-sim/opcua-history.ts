import { DataValue, type ReadRawModifiedDetails, type UAVariable } from "node-opcua";
import type { Answer, Question, ServedTag } from "./opcua-messages.ts";
import { statusCodeOf, variantOf } from "./opcua-variant.ts";

/** Gives a variable a history that the plant keeps: HistoryRead of raw values, forward and backward, in pages. */
export function installOpcuaHistory(variable: UAVariable, tag: ServedTag, ask: (question: Question) => Promise<Answer>): void {
  variable.addressSpace.installHistoricalDataNode(variable, {
    historian: {
      push: async () => {},
      extractDataValues(details: ReadRawModifiedDetails, limit: number, isReversed: boolean, reverseDataValue: boolean, callback: (error: Error | null, values?: DataValue[]) => void): void {
        const [from, to] = [millisecondsOf(details.startTime), millisecondsOf(details.endTime)];
        const query = { limit, newest: isReversed, ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
        void ask({ ask: "history", tag: tag.index, query }).then((answer) => {
          const values = dataValuesOf(tag, answer);
          callback(null, isReversed || reverseDataValue ? values.reverse() : values);
        });
      },
    },
  });
}

/** A time of a request; undefined for none, which is the first of January 1601 (OPC 10000-11 §6.4.3.2). */
function millisecondsOf(time: Date | null): number | undefined {
  return time === null || time.getTime() <= Date.UTC(1601, 0, 2) ? undefined : time.getTime();
}

function dataValuesOf(tag: ServedTag, { history }: Answer): DataValue[] {
  if (!history) return [];
  const [times, values, status] = [new Float64Array(history.times), new Float64Array(history.values), new Uint16Array(history.status)];
  return Array.from(times, (time, k) => {
    const at = new Date(time);
    return new DataValue({ value: variantOf(tag, values[k]!), statusCode: statusCodeOf(history.codes[status[k]!] ?? "Bad"), sourceTimestamp: at, serverTimestamp: at });
  });
}
