import type { Page } from "playwright-core";
import { expect, test } from "vitest";

import { dataOf } from "../../src/api/index.ts";
import {
  createOrganization,
  createSession,
  invite,
  mailedLink,
  newEmail,
  newContext,
  newPage,
  openDemo,
  origin,
  PASSWORD,
  program,
  register,
  signIn,
  verify,
} from "./browser.ts";

/** A page of a new user with a verified email. */
async function verified(name: string): Promise<{ page: Page; email: string }> {
  const page = await newPage();
  const email = newEmail(name);
  await register(page, email);
  await verify(page, email);
  return { page, email };
}

/** A page of a new user who has accepted the invitation of an organisation's owner. */
async function joined(owner: Page, name: string, role: string): Promise<{ page: Page; email: string }> {
  const { page, email } = await verified(name);
  await page.goto(await invite(owner, email, role));
  await page.getByRole("button", { name: "Accept the invitation" }).click();
  await page.waitForURL("**/app/o/*/sessions");
  return { page, email };
}

const members = (page: Page) => page.getByRole("list", { name: "Members" });
const actions = (page: Page, email: string) => page.getByRole("button", { name: `Actions for ${email}` });

async function changeRole(page: Page, email: string, role: string): Promise<void> {
  await actions(page, email).click();
  await page.getByRole("menuitem", { name: "Change the role" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Role", { exact: true }).selectOption(role);
  await dialog.getByRole("button", { name: "Change the role" }).click();
}

test("an invited person registers, verifies, accepts, and sees the organisation's sessions", async () => {
  const { page: owner } = await verified("founder");
  const id = await createOrganization(owner, "Analytical Engines");
  await owner.getByRole("link", { name: "Sessions", exact: true }).click();
  await createSession(owner, "Shared work");
  await owner.getByRole("link", { name: "Members", exact: true }).click();
  const guest = newEmail("guest");
  const link = await invite(owner, guest, "member");

  // Looking at the invitation accepts nothing, and the token leaves the address at once.
  const page = await newPage();
  await page.goto(link);
  await page.getByRole("heading", { name: "Join “Analytical Engines”" }).waitFor();
  expect(page.url()).toBe(`${origin}/app/invitation`);
  await page.getByText("You are invited as a member.").waitFor();
  expect(await page.getByText(guest).count()).toBe(0);
  await page.reload();
  await page.getByRole("link", { name: "Create an account" }).click();
  await page.getByLabel("Email").fill(guest);
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: "Create the account" }).click();

  // Back at the invitation, the email has to be verified first.
  await page.getByText("Verify your email first").waitFor();
  await page.getByRole("button", { name: "Accept the invitation" }).click();
  await page.getByText("Verify your email first").waitFor();
  await verify(page, guest);
  await page.getByRole("link", { name: "Continue to the invitation" }).click();
  await page.getByText(`You are signed in as ${guest}.`).waitFor();
  await page.getByText("Verify your email first").waitFor({ state: "hidden" });
  await page.getByRole("button", { name: "Accept the invitation" }).click();
  await page.waitForURL(`**/app/o/${id}/sessions`);
  await page.getByRole("link", { name: "Shared work", exact: true }).click();
  await page.getByRole("heading", { name: "Shared work" }).waitFor();
  expect(page.url()).toContain(`/app/o/${id}/sessions/`);
  expect(await page.evaluate(() => JSON.stringify({ ...sessionStorage, ...localStorage }))).not.toContain(
    "coditect_inv",
  );

  await owner.reload();
  await members(owner).getByText(guest).waitFor();
  await owner.getByText("No invitation is pending.").waitFor();

  // The link works once. Whoever has used it is led on.
  await page.goto("/");
  await page.goto(link);
  await page.getByText("This invitation is not valid any more").waitFor();
});

test("an invitation for another address says so, and lets the right account accept", async () => {
  const { page: owner } = await verified("host");
  const id = await createOrganization(owner, "Difference Engines");
  const { email: guest } = await verified("right");
  const link = await invite(owner, guest, "viewer");
  const { page, email: wrong } = await verified("wrong");
  await page.goto(link);
  await page.getByRole("button", { name: "Accept the invitation" }).click();
  await page.getByText("This invitation is for another address").waitFor();
  await page.getByText(new RegExp(`It was sent to r….*, and you are signed in as ${wrong}`)).waitFor();
  await page.getByRole("button", { name: "Sign out, and use the other account" }).click();
  await page.getByRole("link", { name: "Sign in to accept" }).click();
  await signIn(page, guest);
  await page.getByRole("button", { name: "Accept the invitation" }).click();
  await page.waitForURL(`**/app/o/${id}/sessions`);
  await page.getByText("No sessions yet").waitFor();
});

test("two tabs in two organisations stay separate, and the menu leads from one to the other", async () => {
  const context = await newContext();
  const first = await context.newPage();
  const email = newEmail("tabs");
  await register(first, email);
  await verify(first, email);
  const one = await createOrganization(first, "First organisation");
  const second = await context.newPage();
  const two = await createOrganization(second, "Second organisation");
  await first.goto(`/app/o/${one}/sessions`);
  await second.goto(`/app/o/${two}/sessions`);
  await createSession(first, "Of the first");
  await createSession(second, "Of the second");
  await first.reload();
  await first.getByRole("link", { name: "Of the first", exact: true }).waitFor();
  expect(await first.getByText("Of the second").count()).toBe(0);
  expect(await first.title()).toBe("Sessions · First organisation · Coditect");
  expect(await second.title()).toBe("Sessions · Second organisation · Coditect");

  await first.getByRole("button", { name: /First organisation.*switch/ }).click();
  await first.getByRole("menuitem", { name: "Second organisation" }).click();
  await first.waitForURL(`**/app/o/${two}/sessions`);
  await first.getByRole("link", { name: "Of the second", exact: true }).waitFor();
  await first.getByRole("button", { name: /Second organisation.*switch/ }).click();
  await first.getByRole("menuitem", { name: "Only you" }).click();
  await first.waitForURL("**/app/sessions");
  await first.getByText("Start your first session").waitFor();
  // The other tab has not moved.
  await second.reload();
  await second.getByRole("link", { name: "Of the second", exact: true }).waitFor();

  // A session of one organisation is not visible under the address of another one.
  await second.getByRole("link", { name: "Of the second", exact: true }).click();
  await second.getByRole("heading", { name: "Of the second" }).waitFor();
  await second.goto(second.url().replace(two, one));
  await second.getByRole("heading", { name: "You cannot see this session" }).waitFor();
});

test("the files of a session are read and written in its organisation", async () => {
  const { page } = await verified("files");
  const id = await createOrganization(page, "Files together");
  await page.goto(`/app/o/${id}/sessions`);
  await createSession(page, "With files");
  await page.getByRole("link", { name: "With files", exact: true }).click();
  await page.getByRole("button", { name: "New file", exact: true }).click();
  await page.getByRole("dialog").getByLabel("Name").fill("notes.txt");
  await page.getByRole("dialog").getByRole("button", { name: "Create" }).click();
  await page.getByRole("treeitem", { name: "notes.txt" }).waitFor();
  await page.getByText("Live", { exact: true }).waitFor();
  await page.reload();
  await page.getByRole("treeitem", { name: "notes.txt" }).waitFor();
});

test("a viewer is offered no changes, and a member who became one is told why the API refuses", async () => {
  const { page: owner } = await verified("boss");
  const id = await createOrganization(owner, "Read only");
  const { page, email } = await joined(owner, "reader", "member");
  await owner.reload();
  const create = page.getByRole("button", { name: "New session" });
  await create.first().click();
  await page.getByLabel("Name", { exact: true }).fill("Too late");
  await changeRole(owner, email, "viewer");
  await owner.getByText(`${email} is a viewer now.`, { exact: true }).waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Create" }).click();
  await page.getByText("Your role does not allow this").waitFor();
  await page.keyboard.press("Escape");
  // The refusal has also told the page which role it is now.
  await create.first().waitFor({ state: "detached" });
  await page.getByText("No sessions yet").waitFor();
  await page.keyboard.press("n");
  expect(await page.getByRole("dialog").count()).toBe(0);

  const places = page.getByRole("navigation", { name: "Main" }).getByRole("link");
  expect(await places.allTextContents()).toEqual(["Sessions", "Members", "Settings"]);
  for (const [path, text] of [
    ["activity", "Only owners and admins see the activity"],
    ["usage", "Only owners and admins see the usage"],
  ] as const) {
    await page.goto(`/app/o/${id}/${path}`);
    await page.getByRole("heading", { name: text }).waitFor();
  }
  await page.goto(`/app/o/${id}/members`);
  await members(page).getByText(email).waitFor();
  expect(await page.getByRole("button", { name: /^Actions for/ }).count()).toBe(0);
  expect(await page.getByRole("heading", { name: "Invitations" }).count()).toBe(0);
  await page.goto(`/app/o/${id}/settings`);
  await page.getByText("Only owners can delete it.").waitFor();
  expect(await page.getByRole("button", { name: "Delete the organisation" }).isDisabled()).toBe(true);
  expect(await page.getByLabel("Name", { exact: true }).getAttribute("readonly")).not.toBeNull();
});

test("an admin manages everyone but the owners", async () => {
  const { page: owner, email: top } = await verified("top");
  const id = await createOrganization(owner, "Layers");
  const { page } = await joined(owner, "admin", "admin");
  const [heir, guest] = [newEmail("heir"), newEmail("guest")];
  await invite(owner, heir, "owner");
  await page.goto(`/app/o/${id}/members`);
  await members(page).getByText(top).waitFor();
  expect(await actions(page, top).count()).toBe(0);
  expect(await page.getByLabel("Role", { exact: true }).locator("option").allTextContents()).toEqual([
    "Admin",
    "Member",
    "Viewer",
  ]);
  await page.getByText("only owners can revoke it").waitFor();
  expect(await page.getByRole("button", { name: `Revoke the invitation of ${heir}` }).count()).toBe(0);
  await invite(page, guest, "viewer");
  await page.getByRole("button", { name: `Revoke the invitation of ${guest}` }).waitFor();
  await page.getByRole("link", { name: "Activity", exact: true }).click();
  await page.locator("summary").getByText("Invitation accepted", { exact: true }).waitFor();
  await page.locator("summary").getByText(`as owner · by ${top}`).waitFor();
  await page.getByRole("link", { name: "Usage", exact: true }).click();
  await page.getByText("2 of 100").first().waitFor();
});

test("the access of a removed member ends at the next request, with a clear message", async () => {
  const { page: owner } = await verified("remover");
  const id = await createOrganization(owner, "Short stay");
  const { page, email } = await joined(owner, "removed", "member");
  await owner.reload();
  await page.getByRole("button", { name: "New session" }).first().click();
  await page.getByLabel("Name", { exact: true }).fill("One more");
  await actions(owner, email).click();
  await owner.getByRole("menuitem", { name: "Remove" }).click();
  await owner.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await owner.getByText(`Removed ${email}.`, { exact: true }).waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Create" }).click();
  await page.getByRole("heading", { name: "You are not a member of “Short stay” any more" }).waitFor();
  await page.reload();
  await page.getByRole("heading", { name: "You cannot see this organisation" }).waitFor();
  await page.getByRole("link", { name: "To your own sessions" }).click();
  await page.getByText("Start your first session").waitFor();
  const { api } = await program(email);
  const forbidden = api.GET("/sessions", { params: { header: { "Coditect-Tenant": id } } });
  await expect(forbidden).rejects.toMatchObject({ code: "NOT_FOUND" });
});

test("errors of invitations are next to their fields, and a revoked link does not work", async () => {
  const { page: owner, email } = await verified("inviter");
  await createOrganization(owner, "Strict");
  const send = owner.getByRole("button", { name: "Invite", exact: true });
  await send.click();
  await owner.getByText(/^The email /).waitFor();
  await owner.getByLabel("Email", { exact: true }).fill(email);
  await send.click();
  await owner.getByText("The email must not be your own address.").waitFor();
  await expect.poll(() => owner.evaluate(() => document.activeElement?.getAttribute("type"))).toBe("email");

  const guest = newEmail("revoked");
  const link = await invite(owner, guest, "admin");
  await owner.getByRole("button", { name: `Revoke the invitation of ${guest}` }).click();
  await owner.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await owner.getByText("No invitation is pending.").waitFor();
  const page = await newPage();
  await page.goto(link);
  await page.getByText("This invitation is not valid any more").waitFor();
  // The same address again is another invitation, not a repeated request.
  let next = await invite(owner, guest, "admin");
  // The second email may arrive later than the page says so.
  await expect.poll(async () => (next = await mailedLink(guest, "/app/invitation"))).not.toBe(link);
  await page.goto(next);
  await page.getByText("You are invited as an admin.").waitFor();
});

test("an organisation is renamed, handed over and left, and always has an owner", async () => {
  const { page: owner, email } = await verified("giver");
  const id = await createOrganization(owner, "Old name");
  const { page, email: heir } = await joined(owner, "heir", "member");
  await owner.reload();

  // The only owner can neither take another role nor leave without a successor.
  await changeRole(owner, email, "member");
  await owner.getByText("The organisation has no other owner.").waitFor();
  await owner.keyboard.press("Escape");
  await owner.getByRole("button", { name: "Leave the organisation" }).click();
  await owner.getByRole("dialog").getByRole("button", { name: "Leave" }).click();
  await owner.getByText("Choose who owns the organisation after you.").waitFor();
  await owner.keyboard.press("Escape");

  // The account cannot be deleted either, and says because of which organisation.
  await owner.goto("/app/account/data");
  await owner.getByRole("button", { name: "Delete the account" }).click();
  await owner.getByRole("dialog").getByLabel("Password", { exact: true }).fill(PASSWORD);
  await owner.getByRole("dialog").getByRole("button", { name: "Delete the account" }).click();
  await owner.getByText("You are the only owner of organisations").waitFor();
  await owner.getByRole("link", { name: "Members of Old name" }).click();
  await owner.waitForURL(`**/app/o/${id}/members`);

  await owner.getByRole("link", { name: "Settings", exact: true }).click();
  await owner.getByLabel("Name", { exact: true }).fill("Mine");
  const { api } = await program(email);
  await api.PATCH("/organizations/{id}", { params: { path: { id } }, body: { name: "Theirs" } });
  await owner.getByRole("button", { name: "Save" }).click();
  await owner.getByText("Somebody has named it “Theirs” meanwhile").waitFor();
  await owner.getByRole("button", { name: "Save" }).click();
  await owner.getByText("The organisation is called “Mine” now.", { exact: true }).waitFor();
  await owner.getByRole("button", { name: /Mine.*switch/ }).waitFor();

  await owner.getByRole("link", { name: "Usage", exact: true }).click();
  await owner.getByText("2 of 100").first().waitFor();

  await owner.getByRole("link", { name: "Members", exact: true }).click();
  await owner.getByRole("button", { name: "Leave the organisation" }).click();
  await owner.getByRole("dialog").getByLabel("New owner").selectOption({ label: heir });
  await owner.getByRole("dialog").getByRole("button", { name: "Leave" }).click();
  await owner.waitForURL("**/app/sessions");
  await owner.getByText("You have left “Mine”.", { exact: true }).waitFor();
  expect((await dataOf(api.GET("/organizations"))).organizations).toEqual([]);

  // The heir owns it, and deletes it after typing its name.
  await page.goto(`/app/o/${id}/settings`);
  await page.getByRole("button", { name: "Delete the organisation" }).click();
  const confirm = page.getByRole("dialog").getByRole("button", { name: "Delete" });
  expect(await confirm.isDisabled()).toBe(true);
  await page.getByLabel("Type “Mine” to confirm").fill("Mine");
  // The first answer is that of a login that proved its password more than ten minutes ago.
  await page.route(
    `**/v5/organizations/${id}`,
    (route) => {
      const problem = { success: false, type: "about:blank", title: "T", status: 403, detail: "D", requestId: "r" };
      const body = JSON.stringify({ ...problem, code: "REAUTHENTICATION_REQUIRED" });
      return route.fulfill({ status: 403, contentType: "application/problem+json", body });
    },
    { times: 1 },
  );
  await confirm.click();
  const prompt = page.getByRole("dialog", { name: "Confirm that it is you" });
  await prompt.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await prompt.getByRole("button", { name: "Continue" }).click();
  await page.waitForURL("**/app/sessions");
  await page.getByText("Deleted “Mine”.", { exact: true }).waitFor();
  await page.goto(`/app/o/${id}/sessions`);
  await page.getByRole("heading", { name: "You cannot see this organisation" }).waitFor();
});

test("the demo has an organisation that can be managed", async () => {
  const page = await newPage();
  await openDemo(page);
  await page.getByRole("button", { name: /Sample & Co.*switch/ }).click();
  await page.getByRole("menuitem", { name: "Orbit Labs" }).click();
  await page.getByRole("link", { name: "Release 4.2" }).waitFor();
  await page.getByRole("link", { name: "Members", exact: true }).click();
  await members(page).getByText("Ravi Shah").waitFor();
  await page.getByLabel("Email", { exact: true }).fill("new@orbit.example");
  await page.getByRole("button", { name: "Invite", exact: true }).click();
  await page.getByRole("list", { name: "Pending invitations" }).getByText("new@orbit.example").waitFor();
  await page.getByRole("button", { name: /Orbit Labs.*switch/ }).click();
  await page.getByRole("menuitem", { name: "New organisation" }).click();
  await page.getByLabel("Name", { exact: true }).fill("In the demo");
  await page.getByRole("button", { name: "Create the organisation" }).click();
  await page.getByRole("button", { name: /In the demo.*switch/ }).waitFor();
});
