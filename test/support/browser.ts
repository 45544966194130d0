import { existsSync } from "node:fs";
import { chromium, type Page } from "playwright-core";

const browserPath = "/usr/bin/chromium";
/** Why tests that need a browser are skipped here, or false. */
export const withoutBrowser = !existsSync(browserPath) && `the program ${browserPath} is missing`;
const deadline = 15_000;

/** Opens a page of a phone or a desk; whatever the page complains about ends up in `complaints`. */
export async function withPage(run: (page: Page, complaints: string[]) => Promise<void>): Promise<void> {
  const browser = await chromium.launch({ executablePath: browserPath, args: ["--no-sandbox"] });
  try {
    const page = await (await browser.newContext()).newPage();
    page.setDefaultTimeout(deadline);
    const complaints: string[] = [];
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    await run(page, complaints);
  } finally {
    await browser.close();
  }
}

