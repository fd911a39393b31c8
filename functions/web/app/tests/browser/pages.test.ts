import { expect, test } from "vitest";

import { createSession, newEmail, newPage, openDemo, register } from "./browser.ts";

test("a page whose code cannot be loaded leaves the navigation, and can be tried again", async () => {
  const page = await newPage();
  await openDemo(page);
  const code = /\/assets\/page-[^/]*\.js$/;
  await page.route(code, (route) => route.abort());
  await page.getByRole("link", { name: "Activity" }).click();
  await page.getByRole("heading", { name: "This page could not be loaded" }).waitFor();
  await page.getByRole("link", { name: "Usage" }).click();
  await page.getByRole("heading", { name: "Usage" }).waitFor();
  await page.getByRole("link", { name: "Activity" }).click();
  await page.getByRole("heading", { name: "This page could not be loaded" }).waitFor();
  await page.unroute(code);
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByRole("heading", { name: "Activity" }).waitFor();
});

test("the navigation clears the search, and Back restores it", async () => {
  const page = await newPage();
  await openDemo(page);
  const search = page.getByRole("searchbox");
  await search.fill("nothing like this");
  await page.getByText("Nothing matches").waitFor();
  await page.getByRole("link", { name: "Sessions", exact: true }).click();
  await page.getByText("Nothing matches").waitFor({ state: "detached" });
  expect(await search.inputValue()).toBe("");
  await page.goBack();
  await page.getByText("Nothing matches").waitFor();
  expect(await search.inputValue()).toBe("nothing like this");
});

test("a single key is no shortcut in an open menu, or where shortcuts are off", async () => {
  const page = await newPage();
  await openDemo(page);
  const dialog = page.getByRole("dialog", { name: "New session" });
  await page
    .getByRole("button", { name: /^Actions for/ })
    .first()
    .press("Enter");
  await page.getByRole("menuitem", { name: "Rename" }).waitFor();
  await page.keyboard.press("n");
  expect(await dialog.count()).toBe(0);
  await page.keyboard.press("Escape");
  await page.keyboard.press("n");
  await dialog.waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("link", { name: "Account", exact: true }).click();
  await page.getByRole("switch", { name: "Single-key shortcuts" }).click();
  await page.getByRole("link", { name: "Sessions", exact: true }).click();
  await page.getByRole("button", { name: "New session" }).first().waitFor();
  await page.keyboard.press("n");
  expect(await dialog.count()).toBe(0);
  expect(await page.locator("[aria-keyshortcuts]").count()).toBe(0);
});

test("after renaming a session on its page, the keyboard continues at the button", async () => {
  const page = await newPage();
  await openDemo(page);
  await page.locator(".session-name").first().click();
  const rename = page.getByRole("button", { name: "Rename" });
  for (const key of ["Enter", "Escape"]) {
    await rename.click();
    await page.getByLabel(/^New name of/).fill(`Renamed with ${key}`);
    await page.keyboard.press(key);
    await rename.waitFor();
    await expect.poll(() => page.evaluate(() => document.activeElement?.textContent?.trim())).toBe("Rename");
  }
});

test("of four sessions that are deleted quickly, the first is deleted at once", async () => {
  const page = await newPage();
  await register(page, newEmail("evicted"));
  for (const name of ["One", "Two", "Three", "Four"]) {
    await createSession(page, name);
    await page.getByText(`Created “${name}”.`, { exact: true }).waitFor();
  }
  const deleted = page.waitForResponse((response) => response.request().method() === "DELETE");
  for (const name of ["One", "Two", "Three", "Four"]) {
    await page.getByRole("button", { name: `Actions for ${name}` }).click();
    await page.getByRole("menuitem", { name: "Delete" }).click();
    await page.getByRole("link", { name, exact: true }).waitFor({ state: "detached" });
  }
  expect((await deleted).status()).toBe(200);
});
