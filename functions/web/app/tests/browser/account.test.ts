import { expect, test } from "vitest";

import { createClient, dataOf, fixedToken } from "../../src/api/index.ts";
import { newEmail, newPage, origin, PASSWORD, program, register } from "./browser.ts";

/** A picture of 2 × 2 pixels. */
const PICTURE = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAEUlEQVR4nGP4z8AARGDiPwMAHfAD/aAzCYkAAAAASUVORK5CYII=",
  "base64",
);

test("the profile, the picture and the preferences are saved", async () => {
  const page = await newPage();
  const email = newEmail("profile");
  await register(page, email);
  await page.goto("/app/account");
  await page.getByLabel("First name").fill("Ada");
  await page.getByLabel("Company").fill("bad\u202etext");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText(/^The company /).waitFor();
  await page.getByLabel("Company").fill("Engines");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved the profile.", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Ada" }).waitFor();

  const chosen = (name: string, mimeType: string, buffer: Buffer) =>
    page.getByLabel("Picture", { exact: true }).last().setInputFiles({ name, mimeType, buffer });
  await chosen("notes.txt", "text/plain", Buffer.from("text"));
  await page.getByText("Choose a JPEG, PNG or WebP picture.").waitFor();
  await chosen("broken.png", "image/png", Buffer.from("no picture"));
  await page.getByRole("alert").waitFor();
  await chosen("picture.png", "image/png", PICTURE);
  await page.getByText("Saved the picture.", { exact: true }).waitFor();
  const image = page.locator(".avatar[data-size=large] img");
  await image.waitFor();
  expect(await image.evaluate((image: HTMLImageElement) => image.decode().then(() => image.naturalWidth))).toBe(256);
  await page.getByRole("button", { name: "Remove" }).click();
  await image.waitFor({ state: "detached" });

  await page.getByRole("switch", { name: "New devices" }).click();
  await page.getByRole("radio", { name: "Dark" }).click();
  await page.reload();
  expect(await page.getByRole("switch", { name: "New devices" }).getAttribute("aria-checked")).toBe("false");
  expect(await page.evaluate(() => document.documentElement.dataset.theme)).toBe("dark");
});

test("a profile that was changed elsewhere is not overwritten unseen", async () => {
  const page = await newPage();
  const email = newEmail("twice");
  await register(page, email);
  await page.goto("/app/account");
  await page.getByLabel("First name").fill("Mine");
  const { api } = await program(email);
  await api.PATCH("/users/me", { body: { company: "Theirs" } });
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved the profile.", { exact: true }).waitFor();
  expect(await page.getByLabel("Company").inputValue()).toBe("Theirs");
  const profile = async () => (await dataOf(api.GET("/users/me"))) as { firstName: string; company: string };
  expect(await profile()).toMatchObject({ firstName: "Mine", company: "Theirs" });

  // Both sides change the same member: the user decides.
  await page.getByLabel("First name").fill("Mine again");
  await api.PATCH("/users/me", { body: { firstName: "Theirs too", company: "Theirs again" } });
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("First name: “Theirs too”").waitFor();
  expect(await page.getByLabel("First name").inputValue()).toBe("Mine again");
  expect(await profile()).toMatchObject({ firstName: "Theirs too" });
  await page.getByRole("button", { name: "Keep mine" }).click();
  await page.getByRole("button", { name: "Save" }).click();
  await expect.poll(profile).toMatchObject({ firstName: "Mine again", company: "Theirs again" });
  await page.getByLabel("First name").fill("Mine at last");
  await api.PATCH("/users/me", { body: { firstName: "Theirs at last" } });
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("button", { name: "Take over" }).click();
  expect(await page.getByLabel("First name").inputValue()).toBe("Theirs at last");
});

test("the user's own change of a preference does not look like somebody else's", async () => {
  const page = await newPage();
  await register(page, newEmail("preference"));
  await page.goto("/app/account");
  await page.getByLabel("First name").fill("Ada");
  const answers: number[] = [];
  page.on("response", (response) => {
    if (response.request().method() === "PATCH") answers.push(response.status());
  });
  await page.getByRole("switch", { name: "New devices" }).click();
  await expect.poll(() => answers).toEqual([200]);
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved the profile.", { exact: true }).waitFor();
  expect(answers).toEqual([200, 200]);
});

test("a token whose first response was lost is created once, and the page says so", async () => {
  const page = await newPage();
  const email = newEmail("lost");
  await register(page, email);
  await page.goto("/app/account/tokens");
  const bodies: string[] = [];
  await page.route("**/v5/users/me/tokens", async (route) => {
    if (route.request().method() !== "POST") return route.continue();
    bodies.push(route.request().postData() ?? "");
    if (bodies.length > 1) return route.continue();
    await route.fetch();
    return route.fulfill({ status: 502, contentType: "text/html", body: "Bad gateway" });
  });
  await page.getByRole("button", { name: "New token" }).click();
  await page.getByLabel("Name", { exact: true }).fill("Lost");
  const create = page.getByRole("button", { name: "Create", exact: true });
  await create.click();
  await page.getByText("This is not the API we expected").waitFor();
  await create.click();
  await page.getByText("“Lost” exists, but cannot be shown").waitFor();
  expect(bodies[1]).toBe(bodies[0]);
  expect(await page.getByRole("button", { name: "Revoke Lost" }).count()).toBe(1);
});

test("an access token is shown once, works, and is revoked", async () => {
  const page = await newPage();
  await register(page, newEmail("tokens"));
  await page.goto("/app/account/tokens");
  await page.getByRole("button", { name: "New token" }).click();
  await page.getByRole("button", { name: "Create", exact: true }).click();
  await page.getByText(/^The name /).waitFor();
  await page.getByLabel("Name", { exact: true }).fill("Nightly job");
  await page.getByRole("checkbox", { name: "Read the activity" }).click();
  await page.getByRole("button", { name: "Create", exact: true }).click();
  const secret = (await page.locator(".secret code").textContent()) ?? "";
  const api = createClient({ baseUrl: origin, tokens: fixedToken(secret) });
  await api.GET("/audit");
  await page.reload();
  await page.getByText("Nightly job").first().waitFor();
  expect(await page.locator(".secret").count()).toBe(0);
  await page.getByRole("button", { name: "Revoke Nightly job" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await page.getByText("No access tokens").waitFor();
  await expect(api.GET("/audit")).rejects.toMatchObject({ code: "INVALID_TOKEN" });
});

test("the account is exported, and a deletion is scheduled and cancelled", async () => {
  const page = await newPage();
  await register(page, newEmail("leaving"));
  await page.goto("/app/account/data");
  await page.getByRole("button", { name: "Export my data" }).click();
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("link", { name: "Download" }).click(),
  ]);
  expect(download.suggestedFilename()).toMatch(/^coditect-export-.*\.zip$/);
  await page.getByRole("button", { name: "Delete the account" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Password", { exact: true }).fill("wrong");
  await dialog.getByRole("button", { name: "Delete the account" }).click();
  await dialog.getByText("This password is not right.").waitFor();
  const focused = () => page.evaluate(() => document.activeElement?.getAttribute("autocomplete"));
  await expect.poll(focused).toBe("current-password");
  await dialog.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await dialog.getByRole("button", { name: "Delete the account" }).click();
  await page.getByText("This account is going to be deleted").waitFor();
  await page.getByRole("button", { name: "Keep the account" }).click();
  await page.getByText("This account is going to be deleted").waitFor({ state: "detached" });
});

test("signing out everywhere also ends this login", async () => {
  const page = await newPage();
  const email = newEmail("everywhere");
  await register(page, email);
  const { api } = await program(email);
  await page.goto("/app/account/security");
  await page.getByRole("button", { name: "Sign out everywhere" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Sign out everywhere" }).click();
  await page.getByText("You are signed out.").waitFor();
  await expect(api.GET("/sessions")).rejects.toMatchObject({ code: "REVOKED_TOKEN" });
});
