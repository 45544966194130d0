import { BusbarError, isId, type Principal, type Revocation, type RevocationChange, type RevocationKind } from "@busbar/core";
import type { RegisterRecord } from "./register.ts";

/** Revocations at the most. */
const most = 100_000;

const kinds: readonly RevocationKind[] = ["token", "device", "role"];

/** What was revoked while the gateway ran, in memory. */
export class RevocationList {
  readonly #entries: Readonly<Record<RevocationKind, Map<string, Revocation>>> = { token: new Map(), device: new Map(), role: new Map() };

  /** All of them, oldest first. */
  list(): readonly Revocation[] {
    return kinds.flatMap((kind) => [...this.#entries[kind].values()]).sort((one, other) => one.time - other.time);
  }

  /** Whether this very name is revoked. */
  includes(kind: RevocationKind, name: string): boolean {
    return this.#entries[kind].has(name);
  }

  /** Whether the device is revoked, or one above it. */
  device(id: string): boolean {
    const { device } = this.#entries;
    if (device.size === 0) return false;
    for (let end = id.length; end > 0; end = id.lastIndexOf("/", end - 1)) if (device.has(id.slice(0, end))) return true;
    return false;
  }

  /** Whether the principal's credential or its id is. */
  has({ id, credential }: Principal): boolean {
    return (credential !== undefined && this.#entries.token.has(credential)) || this.device(id);
  }

  /** Whether any role is. */
  get anyRole(): boolean {
    return this.#entries.role.size > 0;
  }

  /** The roles that still count. */
  standing(roles: readonly string[]): readonly string[] {
    return roles.filter((role) => !this.#entries.role.has(role));
  }

  /** The record of a change; undefined when it is so already. `roles`: those that the config knows. @throws {RangeError} for a name that is none. {BusbarError} OVERLOAD when there are too many. */
  record({ kind, name, by, undo }: RevocationChange, { now, roles }: { readonly now: number; readonly roles: Readonly<Record<string, unknown>> }): RegisterRecord | undefined {
    const known = this.#entries[kind].has(name);
    if (undo) return known ? { restored: { kind, name, time: now, by } } : undefined;
    if (known) return undefined;
    if (kind === "device" && !isId(name)) throw new RangeError(`Cannot revoke a device: ${JSON.stringify(name.slice(0, 256))} is no id`);
    if (kind === "role" && !Object.hasOwn(roles, name)) throw new RangeError(`Cannot revoke a role: there is no role ${JSON.stringify(name.slice(0, 64))}; there are ${Object.keys(roles).join(", ") || "none"}`);
    if (name.length < 1 || name.length > 256 || /[\u0000-\u001f\u007f]/.test(name)) throw new RangeError("Cannot revoke a token: its name has not 1 to 256 characters, or some that cannot be printed");
    if (this.list().length >= most) throw new BusbarError("OVERLOAD", `Cannot revoke more: ${most} are revoked already`);
    return { revoked: { kind, name, time: now, by } };
  }

  /** Takes a record of the register. Returns false when it is another's. @throws {TypeError} for one that cannot be understood. */
  apply(record: RegisterRecord): boolean {
    const entry = (record["revoked"] ?? record["restored"]) as Revocation | undefined;
    if (entry === undefined) return false;
    if (!kinds.includes(entry.kind) || typeof entry.name !== "string") throw new TypeError("Cannot read a revocation: its kind or name is missing");
    if (record["revoked"] === undefined) this.#entries[entry.kind].delete(entry.name);
    else this.#entries[entry.kind].set(entry.name, entry);
    return true;
  }

  /** The records that bring all of it back. */
  snapshot(): readonly RegisterRecord[] {
    return this.list().map((revoked) => ({ revoked }));
  }
}
