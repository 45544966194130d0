/** The keys that every plugin section may have besides those of its plugin. */
export const kernelKeys = ["use", "required", "isolate"] as const;
