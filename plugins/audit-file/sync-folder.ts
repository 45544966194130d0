import { open } from "node:fs/promises";

/** Has the disk keep which files a folder holds. Systems that cannot do that to a folder, such as Windows, do it by themselves. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close();
}
