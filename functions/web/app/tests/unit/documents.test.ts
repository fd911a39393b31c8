import { expect, test, vi } from "vitest";

import { ApiProblem, type Code, UnexpectedResponse } from "../../src/api/index.ts";
import { Documents, isDirty, textOf, TooMuchAtOnce } from "../../src/pages/workbench/documents.ts";
import { Drafts } from "../../src/pages/workbench/drafts.ts";
import type { Operation, Precondition } from "../../src/pages/workbench/remote.ts";
import { memoryStorage } from "./fakes.ts";

const problem = (status: number, code: Code) =>
  new ApiProblem({ success: false, type: "t", title: "T", status, code, detail: "D", requestId: "r" });

/** A server with files, whose versions are numbers. */
function server(contents: Record<string, string>) {
  const files = new Map(Object.entries(contents).map(([path, text]) => [path, { text, version: 1 }]));
  const at = (path: string) => {
    const file = files.get(path);
    if (!file) throw problem(404, "NOT_FOUND");
    return file;
  };
  const etagOf = (path: string) => `"${at(path).version}"`;
  const entry = (path: string) => ({
    path,
    name: path.slice(1),
    kind: "file" as const,
    size: at(path).text.length,
    mediaType: "text/plain",
    modifiedAt: "",
    etag: etagOf(path),
    digest: null,
  });
  const put = (path: string, text: string) => files.set(path, { text, version: (files.get(path)?.version ?? 0) + 1 });
  const check = (path: string, ifMatch?: string | null, ifNoneMatch?: string | null) => {
    if ((ifNoneMatch && files.has(path)) || (ifMatch && (!files.has(path) || etagOf(path) !== ifMatch))) {
      throw problem(412, "PRECONDITION_FAILED");
    }
  };
  return {
    files,
    put,
    stat: vi.fn(async (path: string) => entry(path)),
    read: vi.fn(async (path: string) => ({
      bytes: new TextEncoder().encode(at(path).text).buffer as ArrayBuffer,
      etag: etagOf(path),
    })),
    write: vi.fn(async (path: string, body: Blob, precondition: Precondition) => {
      check(path, precondition["If-Match"], precondition["If-None-Match"]);
      put(path, await body.text());
      return entry(path);
    }),
    change: vi.fn(async (operations: Operation[]) => {
      const puts = operations.map((operation) => {
        if (operation.op !== "put" || !("text" in operation)) throw new Error("not expected");
        check(operation.path, operation.ifMatch, operation.ifNoneMatch);
        return operation;
      });
      for (const { path, text } of puts) put(path, text);
      return { entries: puts.map(({ path }) => ({ path, etag: etagOf(path) })) };
    }),
  };
}

const draftsIn = (storage = memoryStorage(), user = "u") => new Drafts(storage, user, "s");

async function opened(files: ReturnType<typeof server>, paths: string[], drafts = draftsIn()) {
  const documents = new Documents(files, drafts);
  for (const path of paths) documents.open(path);
  await vi.waitFor(() => expect(documents.docs.every(({ state }) => state !== "loading")).toBe(true));
  const doc = (path: string) => {
    const found = documents.at(path);
    if (!found) throw new Error(`${path} is not open`);
    return found;
  };
  const edit = (path: string, text: string) => documents.edit(doc(path).id, text);
  return { documents, doc, edit, save: (path: string) => documents.save(doc(path).id) };
}

test("an edited file is saved with the version that was read, and is clean afterwards", async () => {
  const files = server({ "/a": "one" });
  const { doc, edit, save } = await opened(files, ["/a"]);
  edit("/a", "two");
  expect(isDirty(doc("/a"))).toBe(true);
  await save("/a");
  expect(files.write.mock.calls[0]?.[2]).toEqual({ "If-Match": '"1"' });
  expect(files.files.get("/a")?.text).toBe("two");
  expect(doc("/a")).toMatchObject({ base: "two", etag: '"2"', saving: false });
  expect(isDirty(doc("/a"))).toBe(false);
});

test("what is typed during a save stays unsaved", async () => {
  const files = server({ "/a": "one" });
  const { doc, edit, save } = await opened(files, ["/a"]);
  edit("/a", "two");
  const saving = save("/a");
  edit("/a", "two and more");
  await saving;
  expect(doc("/a")).toMatchObject({ base: "two", text: "two and more" });
  expect(isDirty(doc("/a"))).toBe(true);
});

test("a file that others have changed is not overwritten: both versions are there", async () => {
  const files = server({ "/a": "one" });
  const { doc, edit, save } = await opened(files, ["/a"]);
  edit("/a", "mine");
  files.put("/a", "theirs");
  await save("/a");
  expect(files.files.get("/a")?.text).toBe("theirs");
  expect(doc("/a")).toMatchObject({ text: "mine", conflict: { kind: "text", text: "theirs", etag: '"2"' } });
});

test.each([
  ["mine", "mine", "mine", false],
  ["theirs", "theirs", "theirs", false],
] as const)("the decision for %s ends the conflict", async (choice, shown, stored, dirty) => {
  const files = server({ "/a": "one" });
  const { documents, doc, edit, save } = await opened(files, ["/a"]);
  edit("/a", "mine");
  files.put("/a", "theirs");
  await save("/a");
  await documents.resolve(doc("/a").id, choice);
  expect(doc("/a")).toMatchObject({ text: shown, conflict: null });
  expect(files.files.get("/a")?.text).toBe(stored);
  expect(isDirty(doc("/a"))).toBe(dirty);
});

test("a merge has both changes, and is saved over their version", async () => {
  const files = server({ "/a": "1\n2\n3\n4\n" });
  const { documents, doc, edit, save } = await opened(files, ["/a"]);
  edit("/a", "mine\n2\n3\n4\n");
  files.put("/a", "1\n2\n3\ntheirs\n");
  await save("/a");
  expect(await documents.resolve(doc("/a").id, "merge")).toBe(0);
  expect(doc("/a").text).toBe("mine\n2\n3\ntheirs\n");
  expect(isDirty(doc("/a"))).toBe(true);
  await save("/a");
  expect(files.files.get("/a")?.text).toBe("mine\n2\n3\ntheirs\n");
});

test("a decision for mine meets a further change: it is a conflict again", async () => {
  const files = server({ "/a": "one" });
  const { documents, doc, edit, save } = await opened(files, ["/a"]);
  edit("/a", "mine");
  files.put("/a", "theirs");
  await save("/a");
  files.put("/a", "theirs again");
  await documents.resolve(doc("/a").id, "mine");
  expect(files.files.get("/a")?.text).toBe("theirs again");
  expect(doc("/a")).toMatchObject({ text: "mine", conflict: { text: "theirs again" } });
});

test("a save whose response was lost is no conflict with itself", async () => {
  const files = server({ "/a": "one" });
  const { doc, edit, save } = await opened(files, ["/a"]);
  edit("/a", "two");
  files.put("/a", "two");
  await save("/a");
  expect(doc("/a")).toMatchObject({ conflict: null, base: "two", etag: '"2"' });
});

test("a failed save keeps the text, and can be repeated", async () => {
  const files = server({ "/a": "one" });
  const { doc, edit, save } = await opened(files, ["/a"]);
  edit("/a", "two");
  const quota = problem(507, "QUOTA_EXCEEDED");
  files.write.mockRejectedValueOnce(quota);
  await save("/a");
  expect(doc("/a")).toMatchObject({ text: "two", saveError: quota, saving: false });
  await save("/a");
  expect(doc("/a").saveError).toBeNull();
  expect(files.files.get("/a")?.text).toBe("two");
});

test("save all is one step: a conflict in one file leaves all as they were", async () => {
  const files = server({ "/a": "one", "/b": "one" });
  const { documents, doc, edit } = await opened(files, ["/a", "/b"]);
  edit("/a", "mine a");
  edit("/b", "mine b");
  files.put("/b", "theirs");
  await documents.saveAll();
  expect(files.files.get("/a")?.text).toBe("one");
  expect(doc("/a")).toMatchObject({ conflict: null, text: "mine a" });
  expect(doc("/b").conflict).toMatchObject({ text: "theirs" });
  await documents.resolve(doc("/b").id, "theirs");
  edit("/b", "mine b, later");
  await documents.saveAll();
  expect(files.change).toHaveBeenCalledTimes(2);
  expect([files.files.get("/a")?.text, files.files.get("/b")?.text]).toEqual(["mine a", "mine b, later"]);
  expect(documents.store.getState().allError).toBeNull();
});

test("changes that do not fit into one step are not sent", async () => {
  const files = server({ "/a": "one", "/b": "one" });
  const { documents, edit } = await opened(files, ["/a", "/b"]);
  edit("/a", "x".repeat(2_100_000));
  edit("/b", "x".repeat(2_100_000));
  await documents.saveAll();
  expect(documents.store.getState().allError).toBeInstanceOf(TooMuchAtOnce);
  expect(files.change).not.toHaveBeenCalled();
});

test("changes are found again after a reload, with the version that they began with", async () => {
  const storage = memoryStorage();
  const files = server({ "/a": "one", "/b": "other" });
  const first = await opened(files, ["/a", "/b"], draftsIn(storage));
  first.edit("/a", "mine");
  first.documents.keep();
  files.put("/a", "theirs");

  const again = new Documents(files, draftsIn(storage));
  await again.start();
  expect(again.docs.map(({ path }) => path)).toEqual(["/a", "/b"]);
  expect(again.at("/a")).toMatchObject({ text: "mine", base: "one", etag: '"1"', stale: "changed" });
  await again.save(again.at("/a")?.id ?? 0);
  expect(files.files.get("/a")?.text).toBe("theirs");
  expect(again.at("/a")?.conflict).toMatchObject({ text: "theirs" });
});

test("another user of the same tab finds no drafts", async () => {
  const storage = memoryStorage();
  const first = await opened(server({ "/a": "one" }), ["/a"], draftsIn(storage));
  first.edit("/a", "mine");
  first.documents.keep();
  expect(new Documents(server({}), draftsIn(storage, "other")).docs).toEqual([]);
});

test("a saved or closed file leaves no draft", async () => {
  const values = new Map<string, string>();
  const storage = {
    ...memoryStorage(),
    set: (key: string, value: string | null) => {
      if (value === null) values.delete(key);
      else values.set(key, value);
    },
  };
  const { documents, doc, edit, save } = await opened(server({ "/a": "one" }), ["/a"], draftsIn(storage));
  edit("/a", "two");
  documents.keep();
  expect([...values.keys()].some((key) => key.endsWith("/a"))).toBe(true);
  await save("/a");
  expect([...values.keys()].some((key) => key.endsWith("/a"))).toBe(false);
  documents.close(doc("/a").id);
  expect(values.size).toBe(0);
});

test("storage with broken content is an empty workbench", () => {
  const storage = memoryStorage({ "coditect.draft.u.s": '{"paths":["/a",3]}', "coditect.draft.u.s/a": "{" });
  expect(new Documents(server({}), draftsIn(storage)).docs).toMatchObject([{ path: "/a", state: "waiting" }]);
});

const change = (kind: "created" | "changed" | "moved" | "deleted", path: string, more: object = {}) => ({
  kind,
  path,
  at: "",
  by: { userId: "u" },
  ...more,
});

test("a change of others replaces a clean text, and only marks a changed one", async () => {
  const files = server({ "/a": "one", "/b": "one" });
  const { documents, doc, edit } = await opened(files, ["/a", "/b"]);
  edit("/b", "mine");
  files.put("/a", "theirs");
  files.put("/b", "theirs");
  documents.apply([change("changed", "/a", { etag: '"2"' }), change("changed", "/b", { etag: '"2"' })]);
  await vi.waitFor(() => expect(doc("/a").text).toBe("theirs"));
  expect(doc("/a").revision).toBeGreaterThan(0);
  expect(doc("/b")).toMatchObject({ text: "mine", stale: "changed" });
});

test("the own change that comes back by the feed changes nothing", async () => {
  const files = server({ "/a": "one" });
  const { documents, doc, edit, save } = await opened(files, ["/a"]);
  edit("/a", "two");
  await save("/a");
  files.read.mockClear();
  documents.apply([change("changed", "/a", { etag: '"2"' })]);
  expect(doc("/a").stale).toBeNull();
  expect(files.read).not.toHaveBeenCalled();
});

test("a change of others during a save is noticed afterwards", async () => {
  const files = server({ "/a": "one" });
  const { documents, doc, edit, save } = await opened(files, ["/a"]);
  edit("/a", "two");
  files.write.mockImplementationOnce(async (path) => {
    files.put(path, "two");
    const saved = await files.stat(path);
    files.put(path, "theirs");
    documents.apply([change("changed", path, { etag: '"3"' })]);
    return saved;
  });
  await save("/a");
  await vi.waitFor(() => expect(doc("/a").text).toBe("theirs"));
});

test("files follow the move of their directory", async () => {
  const files = server({ "/d/a": "one" });
  const { documents } = await opened(files, ["/d/a"]);
  documents.apply([change("moved", "/e", { from: "/d" })]);
  expect(documents.docs.map(({ path }) => path)).toEqual(["/e/a"]);
});

test("a deleted file with changes stays, and saving creates it again, with its directories", async () => {
  const files = server({ "/a": "one", "/b": "one" });
  const { documents, doc, edit, save } = await opened(files, ["/a", "/b"]);
  edit("/a", "mine");
  files.files.clear();
  documents.apply([change("deleted", "/a"), change("deleted", "/b")]);
  expect(documents.docs.map(({ path }) => path)).toEqual(["/a"]);
  expect(doc("/a").stale).toBe("deleted");
  await save("/a");
  const call: unknown[] = files.write.mock.lastCall ?? [];
  expect(call.slice(2)).toEqual([{ "If-None-Match": "*" }, undefined, true]);
  expect(files.files.get("/a")?.text).toBe("mine");
});

test("save all creates deleted files again, with their directories", async () => {
  const files = server({ "/a": "one", "/b": "one" });
  const { documents, edit } = await opened(files, ["/a", "/b"]);
  edit("/a", "mine");
  edit("/b", "mine");
  files.files.delete("/a");
  documents.apply([change("deleted", "/a")]);
  await documents.saveAll();
  expect(files.change.mock.lastCall?.[0]).toEqual([
    { op: "put", path: "/a", text: "mine", ifNoneMatch: "*", parents: true },
    { op: "put", path: "/b", text: "mine", ifMatch: '"1"' },
  ]);
});

test("a file whose new version is unknown stays unsaved, so that the next save overwrites nothing unseen", async () => {
  const files = server({ "/a": "one", "/b": "one" });
  const { documents, doc, edit } = await opened(files, ["/a", "/b"]);
  edit("/a", "mine");
  edit("/b", "mine");
  files.change.mockResolvedValueOnce({ entries: [] });
  await documents.saveAll();
  expect(doc("/a")).toMatchObject({ etag: '"1"', saving: false });
  expect(isDirty(doc("/a"))).toBe(true);
  expect(documents.store.getState().allError).toBeInstanceOf(UnexpectedResponse);
});

test.each([
  ["text", "grüße", true],
  ["a zero byte", "a\0b", false],
])("%s is text: %s", (_, content, text) => {
  expect(textOf(new TextEncoder().encode(content).buffer as ArrayBuffer) !== undefined).toBe(text);
});

test("bytes that are no UTF-8 are not opened as text, so saving cannot damage them", async () => {
  const files = server({ "/a": "" });
  files.read.mockResolvedValueOnce({ bytes: new Uint8Array([0xff, 0xfe, 1]).buffer, etag: '"1"' });
  const { doc } = await opened(files, ["/a"]);
  expect(doc("/a").state).toBe("binary");
});
