import { expect, test, vi } from "vitest";

import { ApiProblem } from "../../src/api/index.ts";
import type { FileChange } from "../../src/pages/workbench/feed.ts";
import { compareNames, nameOf, nameProblem, parentOf } from "../../src/pages/workbench/paths.ts";
import {
  emptyTree,
  type Entry,
  moved,
  pageLoaded,
  removed,
  rowsOf,
  toggled,
  type Tree,
  upserted,
} from "../../src/pages/workbench/tree-state.ts";
import { TreeStore } from "../../src/pages/workbench/tree-store.ts";

const entry = (path: string, kind: Entry["kind"] = "file"): Entry => ({
  path,
  name: nameOf(path),
  kind,
  size: 0,
  mediaType: null,
  modifiedAt: "2026-01-01T00:00:00.000Z",
  etag: `"${path}"`,
  digest: null,
});
const dir = (path: string) => entry(path, "directory");
const page = (tree: Tree, path: string, entries: Entry[], nextCursor: string | null = null) =>
  pageLoaded(tree, path, { entries, nextCursor }, false);
const shown = (tree: Tree) => rowsOf(tree).map((row) => (row.type === "entry" ? row.path : `more ${row.path}`));
const change = (kind: FileChange["kind"], path: string, from?: string): FileChange => ({
  kind,
  path,
  at: "",
  by: { userId: "u" },
  ...(from && { from }),
});
const gone = () =>
  new ApiProblem({ success: false, type: "t", title: "T", status: 404, code: "NOT_FOUND", detail: "", requestId: "r" });

const sample = toggled(
  page(page(emptyTree, "/", [dir("/a"), entry("/b"), dir("/c")]), "/a", [entry("/a/x"), entry("/a/y")]),
  "/a",
  true,
);

test("rows are in order, with level, position and number of siblings", () => {
  expect(shown(sample)).toEqual(["/a", "/a/x", "/a/y", "/b", "/c"]);
  expect(rowsOf(sample)[2]).toMatchObject({ level: 2, position: 2, siblings: 2, expanded: undefined });
  expect(rowsOf(sample)[4]).toMatchObject({ level: 1, position: 3, siblings: 3, expanded: false });
});

test("a directory that is not loaded to its end has one more row, and unknown siblings", () => {
  const tree = page(emptyTree, "/", [entry("/a")], "next");
  expect(shown(tree)).toEqual(["/a", "more /"]);
  expect(rowsOf(tree)[0]).toMatchObject({ siblings: -1 });
});

test("an entry that came by the feed before its page is there once", () => {
  const tree = page(upserted(page(emptyTree, "/", [entry("/a")], "next"), entry("/a")), "/", [
    entry("/a"),
    entry("/b"),
  ]);
  expect(shown(tree)).toEqual(["/a", "/b"]);
});

test("a new entry beyond what is loaded waits for its page", () => {
  const tree = page(emptyTree, "/", [entry("/a"), entry("/c")], "next");
  expect(shown(upserted(tree, entry("/b")))).toEqual(["/a", "/b", "/c", "more /"]);
  expect(shown(upserted(tree, entry("/d")))).toEqual(["/a", "/c", "more /"]);
});

test("removing a directory forgets everything below it", () => {
  const tree = removed(sample, "/a");
  expect(shown(tree)).toEqual(["/b", "/c"]);
  expect(tree.directories.has("/a")).toBe(false);
  expect(tree.expanded.has("/a")).toBe(false);
});

test("a moved directory stays open, and its entries have their new paths", () => {
  expect(shown(moved(sample, "/a", "/bb"))).toEqual(["/b", "/bb", "/bb/x", "/bb/y", "/c"]);
});

test("names are in the order of their bytes, also beyond the basic plane", () => {
  const names = ["b", "a", "é", "\u{1f600}", "\uffee", "ab", "B"];
  const bytes = (name: string) => Buffer.from(name).toString("hex");
  const expected = [...names].sort((x, y) => (bytes(x) < bytes(y) ? -1 : 1));
  expect([...names].sort(compareNames)).toEqual(expected);
});

test("100,000 entries become rows within a frame or two", () => {
  const entries = Array.from({ length: 100_000 }, (_, index) => entry(`/${String(index).padStart(6, "0")}`));
  const tree = page(emptyTree, "/", entries);
  const start = performance.now();
  expect(rowsOf(tree)).toHaveLength(100_000);
  expect(performance.now() - start).toBeLessThan(500);
});

test.each(["", ".", "..", "a/b", "a\n", "x".repeat(256)])("the name %j is not accepted", (name) => {
  expect(nameProblem(name)).toBeDefined();
});

test("parents and names", () => {
  expect([parentOf("/a"), parentOf("/a/b"), nameOf("/a/b")]).toEqual(["/", "/a", "b"]);
});

test("pages are loaded one at a time until the end", async () => {
  const list = vi
    .fn()
    .mockResolvedValueOnce({ entries: [entry("/a")], nextCursor: "1" })
    .mockResolvedValueOnce({ entries: [entry("/b")], nextCursor: null });
  const store = new TreeStore({ list, stat: vi.fn() });
  await Promise.all([store.loadMore("/"), store.loadMore("/")]);
  expect(list).toHaveBeenCalledTimes(1);
  await store.loadMore("/");
  await store.loadMore("/");
  expect(list.mock.calls).toEqual([
    ["/", null],
    ["/", "1"],
  ]);
  expect(shown(store.tree)).toEqual(["/a", "/b"]);
});

test("an answer that a refresh has overtaken is dropped", async () => {
  const answers: ((value: unknown) => void)[] = [];
  const list = vi.fn(() => new Promise<never>((resolve) => answers.push(resolve as (value: unknown) => void)));
  const store = new TreeStore({ list, stat: vi.fn() });
  const first = store.loadMore("/");
  const second = store.refresh("/");
  answers[1]?.({ entries: [entry("/new")], nextCursor: null });
  await second;
  answers[0]?.({ entries: [entry("/old")], nextCursor: null });
  await first;
  expect(shown(store.tree)).toEqual(["/new"]);
});

test("a failed page can be tried again, and keeps what is there", async () => {
  const list = vi
    .fn()
    .mockResolvedValueOnce({ entries: [entry("/a")], nextCursor: "1" })
    .mockRejectedValueOnce(new Error("no network"))
    .mockResolvedValueOnce({ entries: [entry("/b")], nextCursor: null });
  const store = new TreeStore({ list, stat: vi.fn() });
  await store.loadMore("/");
  await store.loadMore("/");
  expect(rowsOf(store.tree).at(-1)).toMatchObject({ type: "more", error: new Error("no network") });
  await store.loadMore("/");
  expect(shown(store.tree)).toEqual(["/a", "/b"]);
});

async function storeWith(entries: Entry[], stat: (path: string) => Promise<Entry>) {
  const list = vi.fn(async () => ({ entries, nextCursor: null }));
  const store = new TreeStore({ list, stat });
  await store.loadMore("/");
  return { store, list };
}

test("changes of others appear: created, deleted and moved", async () => {
  const { store } = await storeWith([entry("/a"), entry("/b")], (path) =>
    path === "/a" ? Promise.reject(gone()) : Promise.resolve(entry(path)),
  );
  await store.apply([change("created", "/c"), change("deleted", "/a"), change("moved", "/d", "/b")]);
  expect(shown(store.tree)).toEqual(["/c", "/d"]);
});

test("a change of what has been deleted since removes it", async () => {
  const { store } = await storeWith([entry("/a")], () => Promise.reject(gone()));
  await store.apply([change("changed", "/a")]);
  expect(shown(store.tree)).toEqual([]);
});

test("a change below a directory that is not loaded asks for nothing", async () => {
  const stat = vi.fn(async (path: string) => entry(path));
  const { store } = await storeWith([dir("/a")], stat);
  await store.apply([change("created", "/a/deep/file")]);
  expect(stat).not.toHaveBeenCalled();
});

test("many changes, and a restored snapshot, list the directory once", async () => {
  const { store, list } = await storeWith([entry("/a")], async (path) => entry(path));
  await store.apply(Array.from({ length: 100 }, (_, index) => change("created", `/n${index}`)));
  expect(list).toHaveBeenCalledTimes(2);
  await store.apply([change("changed", "/")]);
  expect(list).toHaveBeenCalledTimes(3);
});
