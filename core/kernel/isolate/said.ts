/*
 * What an isolate says is not to be believed: these take a value of a head for what it has to be, or end the isolate.
 */

/** A whole number from 0 to 2^53 - 1. @throws {SyntaxError} for anything else. */
export function wholeNumber(value: unknown, what: string): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw new SyntaxError(`Cannot read what the isolate says: ${what} is no whole number`);
}

/** Text of at most `limit` characters. @throws {SyntaxError} for anything else. */
export function shortText(value: unknown, what: string, limit: number = 1000): string {
  if (typeof value === "string" && value.length <= limit) return value;
  throw new SyntaxError(`Cannot read what the isolate says: ${what} is no text of at most ${limit} characters`);
}

/** The fields of an object; those of nothing for nothing. @throws {SyntaxError} for anything else. */
export function fieldsOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (value === undefined || value === null) return {};
  if (typeof value === "object" && !Array.isArray(value)) return value as Readonly<Record<string, unknown>>;
  throw new SyntaxError(`Cannot read what the isolate says: ${what} is no object`);
}

/** A list of at most `limit` entries. @throws {SyntaxError} for anything else. */
export function listOf(value: unknown, what: string, limit: number = 1000): readonly unknown[] {
  if (Array.isArray(value) && value.length <= limit) return value;
  throw new SyntaxError(`Cannot read what the isolate says: ${what} is no list of at most ${limit} entries`);
}
