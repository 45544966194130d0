/** Why `value` is no plugin, in a few words; undefined when it is one. */
export function pluginFault(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null) return "it is no object";
  const { name, description, config, setup } = value as { readonly [key: string]: unknown };
  if (typeof name !== "string" || !/^[a-z][a-z0-9-]{0,63}$/.test(name)) return "its name is not lower case with dashes";
  if (typeof description !== "string") return "it has no description";
  if (typeof config !== "object" || config === null || (config as { kind?: unknown }).kind !== "schema") return "its config is no valibot schema";
  if (typeof setup !== "function") return "it has no setup function";
  return undefined;
}
