import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, inject } from "vitest";

import { createClient, Login } from "../../src/api/index.ts";

export const origin = inject("origin");
export const PASSWORD = "correct horse battery";

let browser: Browser;
let contexts: BrowserContext[] = [];
/** Violations of the content security policy, and errors of scripts, since the test began. */
let faults: string[] = [];

beforeAll(async () => {
  browser = await chromium.launch({
    executablePath: inject("chromium"),
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
});

afterEach(async () => {
  await Promise.all(contexts.map((context) => context.close()));
  const found = faults;
  [contexts, faults] = [[], []];
  expect(found).toEqual([]);
});

afterAll(() => browser.close());

/** A browser with its own cookies and storage. */
export async function newContext(options: BrowserContextOptions = {}): Promise<BrowserContext> {
  const context = await browser.newContext({ baseURL: origin, locale: "en-GB", ...options });
  context.setDefaultTimeout(15_000);
  await context.exposeBinding("reportFault", (_, text: string) => void faults.push(text));
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      const report = (window as unknown as { reportFault: (text: string) => void }).reportFault;
      report(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`);
    });
  });
  context.on("weberror", (error) => faults.push(`script: ${error.error().stack}`));
  contexts.push(context);
  return context;
}

export async function newPage(options: BrowserContextOptions = {}): Promise<Page> {
  return (await newContext(options)).newPage();
}

let accounts = 0;
export const newEmail = (name = "user") => `${name}-${++accounts}-${Date.now()}@example.com`;

/** Registers through the page. */
export async function register(page: Page, email: string): Promise<void> {
  await page.goto("/app/register");
  await page.getByLabel("Email").fill(email);
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: "Create the account" }).click();
  await page.waitForURL("**/app/sessions");
}

export async function signIn(page: Page, email: string, password = PASSWORD): Promise<void> {
  await page.getByLabel("Email").fill(email);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
}

export async function openDemo(page: Page): Promise<void> {
  await page.goto("/app/sign-in");
  await page.getByRole("button", { name: "Open the demo" }).click();
  await page.waitForURL("**/app/sessions");
}

/** Creates a session through the page. */
export async function createSession(page: Page, name: string): Promise<void> {
  await page.getByRole("button", { name: "New session" }).first().click();
  await page.getByRole("dialog").getByLabel("Name", { exact: true }).fill(name);
  await page.getByRole("dialog").getByRole("button", { name: "Create" }).click();
  await page.getByRole("link", { name, exact: true }).waitFor();
}

/** Another program with the same account. */
export async function program(email: string, password = PASSWORD) {
  const login = new Login({ baseUrl: origin, transport: "body" });
  await login.logIn({ email, password });
  return { login, api: createClient({ baseUrl: origin, tokens: login }) };
}

/** The link to a page in the newest email to an address. */
export async function mailedLink(to: string, path: string): Promise<string> {
  const folder = inject("mail");
  for (let attempt = 0; attempt < 200; attempt++) {
    const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith(".eml"));
    for (const name of names.sort().reverse()) {
      const text = (await readFile(join(folder, name), "utf8")).replace(/=\r?\n/g, "").replace(/=3D/g, "=");
      const link = text.match(new RegExp(`${origin}${path}#token=[\\w-]+`))?.[0];
      if (link && text.includes(to)) return link;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`no email to ${to} with a link to ${path}`);
}
