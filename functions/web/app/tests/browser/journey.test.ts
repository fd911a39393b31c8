import { expect, test } from "vitest";

import { createSession, mailedLink, newEmail, newPage, PASSWORD, register, signIn } from "./browser.ts";

test("from the registration to a verified account, a session, a new password and the logout", async () => {
  const page = await newPage();
  const email = newEmail("journey");
  await register(page, email);
  await page.getByText("Verify your email").waitFor();
  await page.getByText("Start your first session").waitFor();

  // The link of the email. The token leaves the address at once, and one click uses it.
  await page.goto(await mailedLink(email, "/app/verify"));
  await page.waitForURL((url) => url.pathname === "/app/verify" && url.hash === "");
  await page.reload();
  await page.getByRole("button", { name: "Verify the email" }).click();
  await page.getByRole("link", { name: "Continue" }).click();
  await page.getByRole("heading", { name: "Sessions" }).waitFor();
  // Where the account is shown, it has been read, and so a message about it would be there.
  await page.getByRole("link", { name: "Account", exact: true }).click();
  await page.getByText("Verified", { exact: true }).waitFor();
  expect(await page.getByText("Verify your email").count()).toBe(0);
  await page.getByRole("link", { name: "Sessions", exact: true }).click();

  await createSession(page, "First project");
  await page.getByText("/workspace/first-project").waitFor();

  // Renamed in place, with the keyboard.
  await page.getByRole("button", { name: "Actions for First project" }).press("Enter");
  await page.getByRole("menuitem", { name: "Rename" }).press("Enter");
  await page.getByLabel("New name of First project").fill("Second name");
  await page.keyboard.press("Enter");
  await page.getByRole("link", { name: "Second name" }).waitFor();

  // Deleted, wanted back, and deleted for good.
  const remove = async () => {
    await page.getByRole("button", { name: "Actions for Second name" }).click();
    await page.getByRole("menuitem", { name: "Delete" }).click();
    await page.getByText("Deleted “Second name”.", { exact: true }).waitFor();
    expect(await page.getByRole("link", { name: "Second name" }).count()).toBe(0);
  };
  await remove();
  await page.getByRole("button", { name: "Undo" }).click();
  await page.getByRole("link", { name: "Second name" }).waitFor();
  await page.reload();
  await page.getByRole("link", { name: "Second name" }).waitFor();
  await remove();
  const deleted = page.waitForResponse((response) => response.request().method() === "DELETE");
  await page.getByRole("button", { name: "Dismiss" }).click();
  expect((await deleted).status()).toBe(200);
  await page.reload();
  await page.getByText("Start your first session").waitFor();

  await page.goto("/app/activity");
  for (const event of [
    "Session deleted",
    "Session changed",
    "Session created",
    "Email verified",
    "Account registered",
  ]) {
    await page.locator("summary").getByText(event, { exact: true }).first().waitFor();
  }
  await page.getByLabel("Show").selectOption("email.verified");
  await page.locator("summary").getByText("Session deleted").waitFor({ state: "detached" });
  await page.locator("summary").getByText("Email verified").waitFor();

  // A wrong and a bad password appear at their fields; then the change signs in anew.
  await page.goto("/app/account/security");
  const [current, next] = [page.getByLabel("Current password"), page.getByLabel("New password")];
  const change = page.getByRole("button", { name: "Change the password" });
  await current.fill("wrong");
  await next.fill("another horse battery");
  await change.click();
  await page.getByText("This password is not right.").waitFor();
  await current.fill(PASSWORD);
  await next.fill("short");
  await change.click();
  await page.getByText(/^The new password /).waitFor();
  await next.fill("another horse battery");
  await change.click();
  await page.getByText(/^Changed the password\./).waitFor();

  await page.getByRole("button", { name: /: menu$/ }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await page.getByText("You are signed out.").waitFor();
  await signIn(page, email);
  await page.getByText("This email and password do not match").waitFor();
  await signIn(page, email, "another horse battery");
  await page.getByRole("heading", { name: "Sessions" }).waitFor();
});

test("a forgotten password is recovered with the email's link", async () => {
  const page = await newPage();
  const email = newEmail("forgetful");
  await register(page, email);
  const other = await newPage();
  await other.goto("/app/recover");
  await other.getByLabel("Email").fill(email);
  await other.getByRole("button", { name: "Send the link" }).click();
  await other.getByText("Look into your inbox").waitFor();
  const link = await mailedLink(email, "/app/recover");
  await other.goto(link);
  await other.getByLabel("New password").fill("a completely new one");
  await other.getByRole("button", { name: "Save and sign in" }).click();
  await other.getByRole("heading", { name: "Sessions" }).waitFor();

  // The link works once.
  await other.goto("/");
  await other.goto(link);
  await other.getByLabel("New password").fill("and one more password");
  await other.getByRole("button", { name: "Save and sign in" }).click();
  await other.getByText("This link is not valid any more").waitFor();
});

test("a new email is confirmed with its link, and undone with the link to the old one", async () => {
  const page = await newPage();
  const [old, next] = [newEmail("old"), newEmail("new")];
  await register(page, old);
  await page.goto(await mailedLink(old, "/app/verify"));
  await page.getByRole("button", { name: "Verify the email" }).click();
  await page.getByText("Your email is verified").waitFor();
  await page.goto("/app/account");
  await page.getByRole("button", { name: "Change", exact: true }).click();
  await page.getByLabel("New email").fill(next);
  await page.getByLabel("Current password").fill(PASSWORD);
  await page.getByRole("button", { name: "Send the link" }).click();
  await page.getByText(`Waiting for ${next}`).waitFor();
  await page.goto(await mailedLink(next, "/app/confirm-email"));
  await page.getByRole("button", { name: "Use this email" }).click();
  await page.getByText("Your email has changed").waitFor();
  await page.goto("/app/account");
  await page.locator(".email").getByText(next, { exact: true }).waitFor();
  await page.goto(await mailedLink(old, "/app/undo-email"));
  await page.getByRole("button", { name: "Undo the change" }).click();
  await page.getByText("Your old email is back").waitFor();
});
