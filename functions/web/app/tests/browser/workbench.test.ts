import type { Page } from "playwright-core";
import { expect, test } from "vitest";

import { createSession, newContext, newEmail, newPage, openDemo, program, register, signIn } from "./browser.ts";

const editor = (page: Page) => page.getByRole("textbox", { name: /^Content of / });
const row = (page: Page, name: string) => page.getByRole("treeitem", { name });

async function openSession(page: Page, name: string): Promise<string> {
  await createSession(page, name);
  await page.getByRole("link", { name, exact: true }).click();
  await page.getByText("No files yet").waitFor();
  return page.url().split("/").at(-1) as string;
}

async function createFile(page: Page, name: string): Promise<void> {
  await page.getByRole("button", { name: "New file", exact: true }).click();
  await page.getByRole("dialog").getByLabel("Name").fill(name);
  await page.getByRole("dialog").getByRole("button", { name: "Create" }).click();
  await editor(page).waitFor();
}

async function save(page: Page): Promise<void> {
  const button = page.getByRole("button", { name: "Save", exact: true });
  await button.click();
  await page.waitForFunction(() => {
    const found = [...document.querySelectorAll("button")].find((one) => one.textContent?.trim() === "Save");
    return found?.disabled;
  });
}

test("a file is created, edited, saved, renamed, moved, deleted and brought back", async () => {
  const page = await newPage();
  const email = newEmail("files");
  await register(page, email);
  const id = await openSession(page, "Work");
  await createFile(page, "notes.md");
  await editor(page).fill("# Notes");
  await row(page, "notes.md, unsaved").waitFor();
  await page.keyboard.press("Control+s");
  await row(page, "notes.md, unsaved").waitFor({ state: "detached" });
  const { api } = await program(email);
  const read = async (path: string) => {
    const params = { path: { id }, query: { path } };
    const { data } = await api.GET("/sessions/{id}/files/content", { params, parseAs: "text" });
    return data;
  };
  expect(await read("/notes.md")).toBe("# Notes");

  // With the keyboard in the tree.
  await page.getByRole("button", { name: "New folder" }).click();
  await page.getByRole("dialog").getByLabel("Name").fill("docs");
  await page.keyboard.press("Enter");
  await row(page, "docs").waitFor();
  await page.getByRole("tree").focus();
  await page.keyboard.press("End");
  await page.keyboard.press("F2");
  await page.getByRole("dialog").getByLabel("Name").fill("plan.md");
  await page.keyboard.press("Enter");
  await row(page, "plan.md").waitFor();
  await page.getByRole("tree").focus();
  await page.keyboard.press("Control+x");
  await page.keyboard.press("Home");
  await page.keyboard.press("Control+v");
  await page.getByText("Moved “plan.md” to /docs.", { exact: true }).waitFor();
  expect(await read("/docs/plan.md")).toBe("# Notes");

  // Moved back with the mouse: onto the space of the tree, which is the root.
  await row(page, "docs").click();
  await row(page, "plan.md").waitFor();
  await row(page, "plan.md").dragTo(page.getByRole("tree"), { targetPosition: { x: 60, y: 200 } });
  await page.getByText("Moved “plan.md” to /.", { exact: true }).waitFor();
  expect(await read("/plan.md")).toBe("# Notes");

  await page.getByRole("tree").focus();
  await page.keyboard.press("End");
  await page.keyboard.press("Delete");
  await page.getByText("Deleted “plan.md”.", { exact: true }).waitFor();
  await row(page, "plan.md").waitFor({ state: "detached" });
  await page
    .getByRole("listitem")
    .filter({ hasText: "Deleted “plan.md”" })
    .getByRole("button", { name: "Undo" })
    .click();
  await page.getByText("Restored “plan.md”.", { exact: true }).waitFor();
  await row(page, "plan.md").waitFor();
  expect(await read("/plan.md")).toBe("# Notes");

  // Found by its text, and deleted again: the trash has it.
  await page.getByRole("tab", { name: "Search" }).click();
  await page.getByLabel("Search in names and texts").fill("notes");
  await page.getByRole("button", { name: /plan\.md.*line 1/ }).click();
  await editor(page).waitFor();
  await page.getByRole("tab", { name: "Files" }).click();
  await row(page, "plan.md").click();
  await page.getByRole("button", { name: "Actions for plan.md" }).click();
  await page.getByRole("menuitem", { name: "Delete" }).click();
  await row(page, "plan.md").waitFor({ state: "detached" });
  await page.getByRole("tab", { name: "Trash" }).click();
  await page.getByRole("button", { name: "Restore plan.md" }).click();
  await page.getByText("The trash is empty", { exact: true }).waitFor();
  await page.getByRole("tab", { name: "Files" }).click();
  await row(page, "plan.md").waitFor();
});

test("two people edit one file: nothing is overwritten, and a merge has both changes", async () => {
  const page = await newPage();
  const email = newEmail("pair");
  await register(page, email);
  const id = await openSession(page, "Pair");
  await createFile(page, "list.txt");
  await editor(page).fill("one\ntwo\nthree\nfour");
  await save(page);

  const other = await newPage();
  await other.goto(`/app/sessions/${id}`);
  await signIn(other, email);
  await row(other, "list.txt").click();
  await editor(other).getByText("three").waitFor();

  // A change of the other appears without a reload.
  await editor(other).fill("one\ntwo\nthree\nfive");
  await save(other);
  await editor(page).getByText("five").waitFor();

  // Both change it at once.
  await editor(page).fill("ONE\ntwo\nthree\nfive");
  await editor(other).fill("one\ntwo\nthree\nFIVE");
  await save(other);
  await page.getByRole("button", { name: "Compare" }).waitFor();
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByText("The changes are in different places").waitFor();
  await page.getByRole("button", { name: "Merge" }).click();
  await editor(page).getByText("FIVE").waitFor();
  await editor(page).getByText("ONE").waitFor();
  await save(page);
  await editor(other).getByText("ONE").waitFor();

  // The same line: the user decides for one of them.
  await editor(page).fill("mine");
  await editor(other).fill("theirs");
  await save(other);
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByRole("button", { name: "Keep mine" }).click();
  await editor(other).getByText("mine").waitFor();
});

test("a snapshot is compared and restored", async () => {
  const page = await newPage();
  await register(page, newEmail("snapshot"));
  await openSession(page, "History");
  await createFile(page, "a.txt");
  await editor(page).fill("before");
  await save(page);
  await page.getByRole("tab", { name: "Snapshots" }).click();
  await page.getByLabel("Name of a new snapshot").fill("Good state");
  await page.getByRole("button", { name: "Take a snapshot" }).click();
  await page.getByText("Good state", { exact: true }).first().waitFor();

  await editor(page).fill("after");
  await save(page);
  await page.getByRole("tab", { name: "Files" }).click();
  await createFile(page, "b.txt");
  await page.getByRole("tab", { name: "Snapshots" }).click();
  await page.getByRole("button", { name: "Compare Good state" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("/a.txt").waitFor();
  await dialog.getByText("/b.txt").waitFor();
  expect(await dialog.getByText("added", { exact: true }).count()).toBe(1);
  expect(await dialog.getByText("changed", { exact: true }).count()).toBe(1);
  await page.keyboard.press("Escape");

  await page.getByRole("button", { name: "Restore Good state" }).click();
  await page.getByRole("button", { name: "Restore the files" }).click();
  await page.getByText("Restored “Good state”. What was there before is in the trash.", { exact: true }).waitFor();
  await page.getByRole("tab", { name: "Files" }).click();
  await row(page, "b.txt").waitFor({ state: "detached" });
  await row(page, "a.txt").click();
  await editor(page).getByText("before").waitFor();

  await page.getByRole("tab", { name: "Snapshots" }).click();
  await page.getByRole("button", { name: "Delete Good state" }).click();
  await page.getByRole("button", { name: "Delete the snapshot" }).click();
  await page.getByText("No snapshots yet").waitFor();
});

test("the network is lost and comes back: no input is lost, and the changes of others arrive", async () => {
  const context = await newContext();
  const page = await context.newPage();
  const email = newEmail("offline");
  await register(page, email);
  const id = await openSession(page, "Train");
  await createFile(page, "a.txt");
  await page.getByText("Live", { exact: true }).waitFor();

  await context.setOffline(true);
  await editor(page).fill("written in the tunnel");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  // The client has given up repeating the request.
  await page.getByText("Check the network connection").waitFor();
  await row(page, "a.txt, unsaved").waitFor();
  const { api } = await program(email);
  const params = { path: { id } };
  await api.POST("/sessions/{id}/files/directories", { params, body: { path: "/meanwhile" } });

  await context.setOffline(false);
  await row(page, "meanwhile").waitFor();
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await row(page, "a.txt, unsaved").waitFor({ state: "detached" });
  await page.reload();
  await editor(page).getByText("written in the tunnel").waitFor();

  // What is not saved survives a reload.
  await editor(page).fill("not saved");
  await row(page, "a.txt, unsaved").waitFor();
  await page.reload();
  await editor(page).getByText("not saved").waitFor();
});

test("a login that ends elsewhere keeps the input, and the save continues", async () => {
  const page = await newPage();
  const email = newEmail("ended");
  await register(page, email);
  await openSession(page, "Ended");
  await createFile(page, "a.txt");
  await editor(page).fill("kept");
  const { api } = await program(email);
  await api.POST("/auth/logout-all", {});
  await page.getByRole("dialog", { name: "Sign in again" }).waitFor();
  await page.getByRole("dialog").getByLabel("Password", { exact: true }).fill("correct horse battery");
  await page.getByRole("dialog").getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await editor(page).getByText("kept").waitFor();
  await save(page);
  await page.reload();
  await editor(page).getByText("kept").waitFor();
});

test("files are uploaded, a taken name is asked about, and all changes are saved in one step", async () => {
  const page = await newPage();
  await register(page, newEmail("upload"));
  await openSession(page, "Uploads");
  const file = (name: string, content: string) => ({ name, mimeType: "text/plain", buffer: Buffer.from(content) });
  const input = page.getByLabel("Files to upload");
  await input.setInputFiles([file("a.txt", "a"), file("b.txt", "b"), file("c.bin", "c\0")]);
  await page.getByText("Uploaded 3 files").waitFor();
  await row(page, "c.bin").waitFor();
  await input.setInputFiles([file("a.txt", "other")]);
  await page.getByText("There is a file of this name.").waitFor();
  await row(page, "a.txt").click();
  await editor(page).getByText("a", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Replace a.txt" }).click();
  await editor(page).getByText("other").waitFor();

  await row(page, "b.txt").click();
  await page.getByRole("textbox", { name: "Content of b.txt" }).fill("B");
  await row(page, "a.txt").click();
  await page.getByRole("textbox", { name: "Content of a.txt" }).fill("A");
  const changeset = page.waitForResponse((response) => response.url().endsWith("/files/changesets"));
  await page.getByRole("button", { name: "Save all 2" }).click();
  expect((await changeset).status()).toBe(200);
  await row(page, "a.txt, unsaved").waitFor({ state: "detached" });
  await row(page, "c.bin").click();
  await page.getByText("This file is not text").waitFor();

  // A file that is dropped from the desktop.
  const transfer = await page.evaluateHandle(() => {
    const data = new DataTransfer();
    data.items.add(new File(["dropped"], "dropped.txt"));
    return data;
  });
  await page.locator(".tree-drop").dispatchEvent("drop", { dataTransfer: transfer });
  await row(page, "dropped.txt").click();
  await editor(page).getByText("dropped").waitFor();
});

test("of a directory with many files, only what is looked at is loaded and in the page", async () => {
  const page = await newPage();
  const email = newEmail("many");
  await register(page, email);
  const id = await openSession(page, "Many");
  const { api } = await program(email);
  const params = { path: { id } };
  for (let start = 0; start < 2500; start += 500) {
    const operations = Array.from({ length: 500 }, (_, index) => ({
      op: "put" as const,
      path: `/f${String(start + index).padStart(5, "0")}`,
      text: "",
    }));
    await api.POST("/sessions/{id}/files/changesets", { params, body: { operations } });
  }
  await page.reload();
  await row(page, "f00000").waitFor();
  expect(await page.getByRole("treeitem").count()).toBeLessThan(100);
  await page.getByRole("tree").focus();
  const last = async () => {
    await page.keyboard.press("End");
    return row(page, "f02499").count();
  };
  await expect.poll(last, { timeout: 20_000, interval: 100 }).toBe(1);
  expect(await page.getByRole("treeitem").count()).toBeLessThan(100);
});

test("the demo has files: edited, found, and gone with the demo", async () => {
  const page = await newPage();
  await openDemo(page);
  await page.getByRole("link", { name: "Checkout rewrite" }).click();
  await page.getByText("Demo files in this tab").waitFor();
  await row(page, "src").click();
  await row(page, "cart.ts").click();
  await editor(page).getByText("quantity: number").waitFor();
  // Over the coloured text, as a person does it, and as a program does it. A style attribute would break the policy.
  for (let round = 0; round < 10; round++) {
    await editor(page).click();
    await page.keyboard.press("Control+a");
    await page.keyboard.type("const typed = 1;");
    await editor(page).fill(`const filled = "${round}"; // comment`);
  }
  await editor(page).fill("// changed");
  await save(page);
  await page.getByRole("tab", { name: "Search" }).click();
  await page.getByLabel("Search in names and texts").fill("changed");
  await page.getByRole("button", { name: /cart\.ts.*line 1/ }).waitFor();
});

test("at 360 px, the tree is a drawer", async () => {
  const page = await newPage({ viewport: { width: 360, height: 780 } });
  await openDemo(page);
  await page.getByRole("link", { name: "Checkout rewrite" }).click();
  await page.getByRole("button", { name: "Files, search, snapshots and trash" }).click();
  await page.getByRole("dialog").getByRole("treeitem", { name: "README.md" }).click();
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await editor(page).getByText("Sample files of the demo").waitFor();
});
