import { BusbarError } from "../errors.ts";

interface Registration {
  readonly method: string;
  readonly args: readonly unknown[];
  undo: (() => void) | undefined;
}

/**
 * What stands between a role and those who need it. They hold `proxy`, which stays the same while the provider is restarted: calls in
 * between fail with UNAVAILABLE, and whatever was registered (a call that returned the function that undoes it) is registered again with the next provider.
 */
export class PortSlot {
  readonly proxy: object;
  readonly #name: string;
  readonly #registrations = new Set<Registration>();
  readonly #methods = new Map<PropertyKey, (...args: unknown[]) => unknown>();
  #value: Record<PropertyKey, unknown> | undefined;

  constructor(name: string) {
    this.#name = name;
    this.proxy = new Proxy({}, { get: (_target, key) => this.#get(key), has: (_target, key) => this.#value !== undefined && key in this.#value });
  }

  /** Whether somebody provides the role at the moment. */
  get filled(): boolean {
    return this.#value !== undefined;
  }

  fill(value: object): void {
    this.#value = value as Record<PropertyKey, unknown>;
    for (const registration of this.#registrations) registration.undo = this.#call(registration.method, registration.args) as () => void;
  }

  empty(): void {
    this.#value = undefined;
    for (const registration of this.#registrations) registration.undo = undefined;
  }

  #get(key: PropertyKey): unknown {
    if (key === "then") return undefined; // a proxy that is returned from an async function is no promise
    const member = this.#value?.[key];
    if (this.#value !== undefined && typeof member !== "function") return member;
    let method = this.#methods.get(key);
    if (!method) this.#methods.set(key, (method = (...args) => this.#register(String(key), args)));
    return method;
  }

  #register(method: string, args: readonly unknown[]): unknown {
    const result = this.#call(method, args);
    if (typeof result !== "function") return result;
    const registration: Registration = { method, args, undo: result as () => void };
    this.#registrations.add(registration);
    return () => {
      this.#registrations.delete(registration);
      registration.undo?.();
    };
  }

  #call(method: string, args: readonly unknown[]): unknown {
    const value = this.#value;
    if (value === undefined) throw new BusbarError("UNAVAILABLE", `Cannot use "${this.#name}": the plugin that provides it is not running`);
    return (value[method] as (...args: unknown[]) => unknown).apply(value, args as unknown[]);
  }
}
