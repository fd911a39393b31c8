import { expect, test } from "vitest";

import { createSession, newContext, newEmail, newPage, openDemo, program, register } from "./browser.ts";

test("the demo works without a backend", async () => {
  const page = await newPage();
  const requests: string[] = [];
  await page.route(/\/(v5|config\.json)/, (route) => {
    requests.push(route.request().url());
    return route.abort();
  });
  await openDemo(page);
  await page.getByText("Sample data in this tab").waitFor();
  await page.getByRole("link", { name: "Checkout rewrite" }).waitFor();
  await createSession(page, "My own");
  for (const [link, text] of [
    ["Activity", "Session created"],
    ["Usage", "348 MB of 1 GB"],
    ["Account", "demo@coditect.ai"],
  ] as const) {
    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: link }).click();
    await page.getByRole("main").getByText(text).last().waitFor();
  }
  await page.reload();
  await page.getByText("demo@coditect.ai").first().waitFor();
  await page.getByRole("button", { name: "Leave the demo" }).click();
  await page.getByText("You are signed out.").waitFor();
  expect(requests).toEqual([]);
});

test("an API that does not respond is explained, and the page continues when it does", async () => {
  const page = await newPage();
  await register(page, newEmail("unreachable"));
  await page.route("**/v5/users/me/usage", (route) => route.abort());
  await page.goto("/app/usage");
  await page.getByText("The API does not respond").waitFor();
  await page.unroute("**/v5/users/me/usage");
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByText("of 10,000").first().waitFor();
});

test("a lost network is announced, and nothing that was typed is lost", async () => {
  const context = await newContext();
  const page = await context.newPage();
  await register(page, newEmail("offline"));
  await page.getByRole("button", { name: "New session" }).first().click();
  await page.getByLabel("Name", { exact: true }).fill("Written offline");
  await context.setOffline(true);
  await page.getByRole("button", { name: "Create" }).click();
  await page.getByRole("dialog").getByText("You are offline").waitFor();
  expect(await page.getByLabel("Name", { exact: true }).inputValue()).toBe("Written offline");
  await context.setOffline(false);
  await page.getByRole("button", { name: "Create" }).click();
  await page.getByRole("link", { name: "Written offline" }).waitFor();
});

test("another API, or a page of a proxy, is not taken for this one", async () => {
  const page = await newPage();
  await register(page, newEmail("other"));
  await page.route("**/v5/**", (route) =>
    route.request().url().endsWith("/version")
      ? route.fulfill({ json: { version: "6.1.0" } })
      : route.fulfill({ status: 404, contentType: "text/html", body: "<h1>Not found</h1>" }),
  );
  await page.goto("/app/usage");
  await page.getByText("This is not the API we expected").waitFor();
  await page.getByText("It runs version 6.1.0.").waitFor();
});

test("a clock that is wrong by an hour is announced and does no harm", async () => {
  const context = await newContext();
  await context.clock.install({ time: Date.now() + 3_600_000 });
  const page = await context.newPage();
  await register(page, newEmail("clock"));
  await page.getByText("This computer's clock is wrong").waitFor();
  await page.getByText("60 minutes ahead").waitFor();
  await createSession(page, "Now");
  await page.getByText("just now").waitFor();
});

test("blocked storage is announced and does no harm", async () => {
  const context = await newContext();
  await context.addInitScript(() => {
    for (const name of ["localStorage", "sessionStorage"]) {
      Object.defineProperty(window, name, {
        get: () => {
          throw new DOMException("blocked", "SecurityError");
        },
      });
    }
  });
  const page = await context.newPage();
  await register(page, newEmail("blocked"));
  await page.getByText("The browser keeps no data for this site").waitFor();
  await page.reload();
  await page.getByRole("heading", { name: "Sessions" }).waitFor();
});

test("the address of another tenant's session is explained", async () => {
  const [mine, theirs] = [await newPage(), newEmail("theirs")];
  await register(mine, newEmail("mine"));
  const other = await newPage();
  await register(other, theirs);
  await createSession(other, "Private");
  const { api } = await program(theirs);
  const { data } = await api.GET("/sessions");
  for (const id of [data?.data.sessions[0]?.id, "not-an-id"]) {
    await mine.goto(`/app/sessions/${id}`);
    await mine.getByRole("heading", { name: "You cannot see this session" }).waitFor();
    expect(await mine.getByText("Private").count()).toBe(0);
  }
});

test("too many attempts show how long to wait", async () => {
  const page = await newPage();
  await page.route("**/v5/auth/login", (route) =>
    route.fulfill({
      status: 429,
      headers: { "Retry-After": "120" },
      contentType: "application/problem+json",
      body: JSON.stringify({
        success: false,
        type: "t",
        title: "Too many attempts",
        status: 429,
        detail: "Wait.",
        code: "TOO_MANY_ATTEMPTS",
        requestId: "r",
      }),
    }),
  );
  await page.goto("/app/sign-in");
  await page.getByLabel("Email").fill("a@example.com");
  await page.getByLabel("Password", { exact: true }).fill("x");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Try again in 2 min" }).waitFor();
});

test("a quota that is used up is named", async () => {
  const page = await newPage();
  await register(page, newEmail("quota"));
  await page.route("**/v5/sessions", (route) =>
    route.request().method() !== "POST"
      ? route.continue()
      : route.fulfill({
          status: 507,
          contentType: "application/problem+json",
          body: JSON.stringify({
            success: false,
            type: "t",
            title: "Quota exceeded",
            status: 507,
            detail: "Full.",
            code: "QUOTA_EXCEEDED",
            requestId: "r",
            quota: { name: "sessions", used: 10000, limit: 10000 },
          }),
        }),
  );
  await page.getByRole("button", { name: "New session" }).first().click();
  await page.getByLabel("Name", { exact: true }).fill("One more");
  await page.getByRole("button", { name: "Create" }).click();
  await page.getByText("The quota for sessions is used up").waitFor();
  await page.getByText("10,000 of 10,000 in use.").waitFor();
});
