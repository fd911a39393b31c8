import { expect, test } from "vitest";

import { createSession, newContext, newEmail, newPage, PASSWORD, program, register } from "./browser.ts";

test("two tabs with an expired token refresh once, and both continue", async () => {
  const context = await newContext();
  await context.clock.install();
  const first = await context.newPage();
  await register(first, newEmail("tabs"));
  const second = await context.newPage();
  await Promise.all([first.goto("/app/usage"), second.goto("/app/usage")]);
  for (const page of [first, second]) await page.getByText("of 10,000").first().waitFor();
  // The token is valid for a day.
  await context.clock.fastForward("25:00:00");
  const refreshes: string[] = [];
  context.on("request", (request) => {
    if (request.url().endsWith("/auth/refresh")) refreshes.push(request.url());
  });
  const answers = [first, second].map((page) =>
    page.waitForResponse((response) => response.url().endsWith("/users/me/usage") && response.ok()),
  );
  await Promise.all([first, second].map((page) => page.getByRole("button", { name: "Refresh" }).click()));
  await Promise.all(answers);
  expect(refreshes).toHaveLength(1);
});

test("a logout in one tab is visible in the other", async () => {
  const context = await newContext();
  const first = await context.newPage();
  await register(first, newEmail("logout"));
  const second = await context.newPage();
  await second.goto("/app/usage");
  await second.getByRole("heading", { name: "Usage" }).waitFor();
  await first.getByRole("button", { name: /: menu$/ }).click();
  await first.getByRole("menuitem", { name: "Sign out" }).click();
  await second.getByText("You signed out in another tab.").waitFor();
  await second.reload();
  await second.getByRole("button", { name: "Sign in", exact: true }).waitFor();
});

test("after a revoked login, the user signs in again and loses no input", async () => {
  const page = await newPage();
  const email = newEmail("revoked");
  await register(page, email);
  await page.getByRole("button", { name: "New session" }).first().click();
  await page.getByLabel("Name", { exact: true }).fill("Half written");
  const { api } = await program(email);
  await api.POST("/auth/logout-all");
  await page.getByRole("button", { name: "Create" }).click();
  const again = page.getByRole("dialog", { name: "Sign in again" });
  await again.getByLabel("Password", { exact: true }).fill("wrong");
  await again.getByRole("button", { name: "Sign in" }).click();
  await again.getByText("This password is not right.").waitFor();
  await again.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await again.getByRole("button", { name: "Sign in" }).click();
  // The same request continues.
  await page.getByRole("link", { name: "Half written" }).waitFor();
});

test("a page that was asked for is shown after signing in", async () => {
  const page = await newPage();
  const email = newEmail("deep");
  await register(page, email);
  await page.context().clearCookies();
  await page.goto("/app/activity?type=login.opened");
  await page.getByText("Your login has ended.").waitFor();
  await page.getByLabel("Email").fill(email);
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.keyboard.press("Enter");
  await page.waitForURL("**/app/activity?type=login.opened");
});

test("signing out another device asks for the password if it was not entered lately", async () => {
  const page = await newPage();
  const email = newEmail("devices");
  await register(page, email);
  await program(email);
  // The first answer is that of a login that proved its password more than ten minutes ago.
  let rejected = false;
  await page.route("**/v5/auth/logins/*", (route) => {
    if (rejected || route.request().method() !== "DELETE") return route.continue();
    rejected = true;
    const body = {
      success: false,
      type: "about:blank",
      title: "T",
      status: 403,
      detail: "D",
      code: "REAUTHENTICATION_REQUIRED",
      requestId: "r",
    };
    return route.fulfill({ status: 403, contentType: "application/problem+json", body: JSON.stringify(body) });
  });
  await page.goto("/app/account/security");
  await page
    .getByRole("button", { name: /^Sign out (?!everywhere)/ })
    .first()
    .click();
  const prompt = page.getByRole("dialog", { name: "Confirm that it is you" });
  await prompt.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await prompt.getByRole("button", { name: "Continue" }).click();
  await expect.poll(() => page.locator(".list > li").count()).toBe(1);
});

test("a rename does not overwrite the change of somebody else", async () => {
  const page = await newPage();
  const email = newEmail("conflict");
  await register(page, email);
  await createSession(page, "Shared");
  await page.getByRole("button", { name: "Actions for Shared" }).click();
  await page.getByRole("menuitem", { name: "Rename" }).click();
  const { api } = await program(email);
  const { data } = await api.GET("/sessions");
  const id = data?.data.sessions[0]?.id ?? "";
  await api.PATCH("/sessions/{id}", { params: { path: { id } }, body: { name: "Theirs" } });
  await page.getByLabel("New name of Shared").fill("Mine");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("is now called “Theirs”").waitFor();
  await page.getByRole("button", { name: "Use mine" }).click();
  await page.getByRole("link", { name: "Mine" }).waitFor();
});
