import { AxeBuilder } from "@axe-core/playwright";
import type { Page } from "playwright-core";
import { expect, test } from "vitest";

import { newPage, openDemo } from "./browser.ts";

const PUBLIC = [
  "/app/sign-in",
  "/app/register",
  "/app/recover",
  "/app/recover#token=t",
  "/app/verify#token=t",
  "/app/confirm-email#token=t",
  "/app/undo-email",
];
const SIGNED_IN = [
  "/app/sessions",
  "/app/sessions?q=nothing-like-this",
  "/app/sessions/01a219a1-0000-7000-8000-000000000064",
  "/app/sessions/01a219a1-0000-7000-8000-ffffffffffff",
  "/app/activity",
  "/app/usage",
  "/app/account",
  "/app/account/security",
  "/app/account/tokens",
  "/app/account/data",
  "/app/nothing",
];

async function check(page: Page, name: string): Promise<void> {
  await page.locator("h1").waitFor({ state: "attached" });
  await page.locator(".skeleton").waitFor({ state: "detached" });
  // Colours are final after the animations.
  await page.evaluate(() =>
    Promise.all(document.getAnimations().map((animation) => animation.finished.catch(() => 0))),
  );
  const { violations } = await new AxeBuilder({ page }).analyze();
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  expect(serious.map(({ id, nodes }) => `${name}: ${id}: ${nodes[0]?.html}`)).toEqual([]);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  expect(overflow, `${name} is wider than the window`).toBeLessThanOrEqual(0);
}

/** The states of the workbench: an open file, each panel, and a dialog. */
async function workbench(page: Page, width: number): Promise<void> {
  await page.goto("/app/sessions/01a219a1-0000-7000-8000-000000000064");
  const drawer = async () => {
    if (width < 760) await page.getByRole("button", { name: "Files, search, snapshots and trash" }).click();
  };
  await drawer();
  await page.getByRole("treeitem", { name: "README.md" }).click();
  await page.getByRole("textbox", { name: "Content of README.md" }).getByText("Sample files").waitFor();
  await check(page, "an open file");
  await drawer();
  for (const panel of ["Search", "Snapshots", "Trash", "Files"]) {
    await page.getByRole("tab", { name: panel }).click();
    await check(page, `the panel ${panel}`);
  }
  await page.getByRole("button", { name: "New file" }).click();
  await check(page, "the dialog for a new file");
  await page.keyboard.press("Escape");
  if (width < 760) await page.keyboard.press("Escape");
}

for (const colorScheme of ["light", "dark"] as const) {
  for (const width of [360, 1440]) {
    test(`pages are accessible: ${colorScheme}, ${width} px`, async () => {
      const page = await newPage({ colorScheme, viewport: { width, height: 900 }, reducedMotion: "reduce" });
      for (const path of PUBLIC) {
        await page.goto(path);
        await check(page, path);
      }
      await openDemo(page);
      for (const path of SIGNED_IN) {
        await page.goto(path);
        await check(page, path);
      }
      await workbench(page, width);
      await page.goto("/app/sessions");
      await page.getByRole("button", { name: "New session" }).first().click();
      await check(page, "a dialog");
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: "Actions for Playground" }).click();
      await page.getByRole("menuitem", { name: "Delete" }).waitFor();
      await check(page, "a menu");
      await page.getByRole("menuitem", { name: "Delete" }).click();
      await page.getByText("Deleted “Playground”.", { exact: true }).waitFor();
      await check(page, "a message");
    });
  }
}

test("the keyboard reaches everything, and dialogs return the focus", async () => {
  const page = await newPage();
  await openDemo(page);
  await page.getByRole("link", { name: "Checkout rewrite" }).waitFor();
  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  await page.keyboard.press("Tab");
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Skip to the content");
  await page.keyboard.press("/");
  expect(await page.evaluate(() => document.activeElement?.getAttribute("type"))).toBe("search");
  await page.getByRole("button", { name: "New session" }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  expect(await page.evaluate(() => document.activeElement?.closest("[role=dialog]") !== null)).toBe(true);
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  expect(await page.evaluate(() => document.activeElement?.textContent)).toContain("New session");
});
