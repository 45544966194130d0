import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..", "..");

/** A file in backticks, and after a colon its titles in quotes, joined by commas. */
const named = /`([\w./-]+\.ts)`((?:(?:: |, )"[^"]+")*)/g;

/** The tests that a cell of a table names, as `` `file.test.ts` `` or `` `file.test.ts`: "title", "another title" ``: one for each title, or one for the file. */
export function namedTests(cell: string): readonly { readonly file: string; readonly title: string | undefined }[] {
  return [...cell.matchAll(named)].flatMap(([, file, list]) => {
    const titles = [...list!.matchAll(/"([^"]+)"/g)].map(([, title]) => title);
    return (titles.length > 0 ? titles : [undefined]).map((title) => ({ file: file!, title }));
  });
}

/** Those of them that do not exist: their file is not there, or no title in it has these words. */
export function missingTests(cell: string): readonly string[] {
  return namedTests(cell).flatMap(({ file, title }) => {
    if (!existsSync(join(root, file))) return [file];
    return title === undefined || readFileSync(join(root, file), "utf8").includes(title) ? [] : [`${file}: "${title}"`];
  });
}
