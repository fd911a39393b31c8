import { test } from "vitest";

import { newPage, openDemo } from "./browser.ts";

const PAGES: [name: string, path: string, demo: boolean][] = [
  ["sign-in", "/app/sign-in", false],
  ["register", "/app/register", false],
  ["recover", "/app/recover", false],
  ["verify", "/app/verify#token=t", false],
  ["sessions", "/app/sessions", true],
  ["session", "/app/sessions/01a219a1-0000-7000-8000-000000000064", true],
  ["activity", "/app/activity", true],
  ["usage", "/app/usage", true],
  ["account", "/app/account", true],
  ["security", "/app/account/security", true],
  ["tokens", "/app/account/tokens", true],
  ["data", "/app/account/data", true],
];

/** `make web-shots`: each page in both themes and three widths, in `shots/`. */
test.skipIf(!process.env.SHOTS)("screenshots", { timeout: 600_000 }, async () => {
  for (const colorScheme of ["light", "dark"] as const) {
    for (const width of [360, 768, 1440]) {
      const viewport = { width, height: width < 700 ? 780 : 900 };
      const page = await newPage({ colorScheme, viewport, reducedMotion: "reduce" });
      let inDemo = false;
      for (const [name, path, demo] of PAGES) {
        if (demo && !inDemo) await openDemo(page);
        inDemo ||= demo;
        await page.goto(path);
        await page.locator("h1").waitFor();
        await page.locator(".skeleton").waitFor({ state: "detached" });
        await page.evaluate(() => document.fonts.ready.then(() => undefined));
        await page.screenshot({ path: `shots/${name}-${colorScheme}-${width}.png` });
      }
    }
  }
});
