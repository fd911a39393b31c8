import { expect, test, vi } from "vitest";

import { ApiProblem, createClient } from "../../src/api/index.ts";
import { remoteFiles } from "../../src/pages/workbench/remote.ts";
import { Uploads, WHOLE } from "../../src/pages/workbench/uploads.ts";
import { network, problem, success } from "./fakes.ts";

const exists = () =>
  new ApiProblem({
    success: false,
    type: "t",
    title: "T",
    status: 412,
    code: "PRECONDITION_FAILED",
    detail: "",
    requestId: "r",
  });

function server() {
  const entry = (path: string) => ({
    path,
    name: path.slice(1),
    kind: "file" as const,
    size: 1,
    mediaType: null,
    modifiedAt: "",
    etag: '"1"',
    digest: null,
  });
  return {
    write: vi.fn(async (path: string) => entry(path)),
    beginUpload: vi.fn(async (path: string, size: number) => ({
      id: "up",
      path,
      size,
      partSize: WHOLE,
      partCount: Math.ceil(size / WHOLE),
      mayHaveUrls: false,
      createdAt: "",
      expiresAt: "",
    })),
    sendPart: vi.fn(async () => ({})),
    signPart: vi.fn(async () => ({ request: null })),
    commitUpload: vi.fn(async () => entry("/big")),
    cancelUpload: vi.fn(async () => ({})),
  };
}

const settled = (uploads: Uploads) =>
  vi.waitFor(() => {
    const { uploads: all } = uploads.store.getState();
    expect(all.some(({ state }) => state === "waiting" || state === "sending")).toBe(false);
    return all;
  });

test("a small file is sent as a whole, and overwrites nothing", async () => {
  const files = server();
  const done = vi.fn();
  const uploads = new Uploads(files, done);
  uploads.add("/d", [{ path: "sub/a.txt", file: new Blob(["x"]) }]);
  expect(await settled(uploads)).toMatchObject([{ path: "/d/sub/a.txt", state: "done", sent: 1 }]);
  expect(files.write).toHaveBeenCalledWith(
    "/d/sub/a.txt",
    expect.anything(),
    { "If-None-Match": "*" },
    expect.anything(),
    true,
  );
  expect(done).toHaveBeenCalledTimes(1);
});

test("a file of more than 4 MiB is sent in parts, and its progress grows", async () => {
  const files = server();
  const uploads = new Uploads(files, vi.fn());
  const seen: number[] = [];
  uploads.store.subscribe(({ uploads }) => void seen.push(uploads[0]?.sent ?? 0));
  uploads.add("/", [{ path: "big", file: new Blob([new Uint8Array(2 * WHOLE + 1)]) }]);
  expect(await settled(uploads)).toMatchObject([{ state: "done", sent: 2 * WHOLE + 1 }]);
  expect(files.sendPart).toHaveBeenCalledTimes(3);
  expect([...new Set(seen)]).toEqual([0, WHOLE, 2 * WHOLE, 2 * WHOLE + 1]);
  expect(files.commitUpload).toHaveBeenCalledWith("up", { ifNoneMatch: "*", parents: true });
});

test("an upload that fails in the middle frees its space, and can be repeated", async () => {
  const files = server();
  files.sendPart.mockRejectedValueOnce(new Error("lost"));
  const uploads = new Uploads(files, vi.fn());
  uploads.add("/", [{ path: "big", file: new Blob([new Uint8Array(WHOLE + 1)]) }]);
  const [failed] = await settled(uploads);
  expect(failed?.state).toBe("failed");
  expect(files.cancelUpload).toHaveBeenCalledTimes(1);
  uploads.retry(failed?.id ?? 0);
  expect(await settled(uploads)).toMatchObject([{ state: "done" }]);
});

test("a taken name waits for the user's decision", async () => {
  const files = server();
  files.write.mockRejectedValueOnce(exists());
  const uploads = new Uploads(files, vi.fn());
  uploads.add("/", [{ path: "a", file: new Blob(["x"]) }]);
  const [asked] = await settled(uploads);
  expect(asked?.state).toBe("exists");
  uploads.retry(asked?.id ?? 0, true);
  expect(await settled(uploads)).toMatchObject([{ state: "done" }]);
  expect(files.write.mock.lastCall).toEqual(["/a", expect.anything(), {}, expect.anything(), true]);
});

test("two files are sent at a time", async () => {
  const files = server();
  const waiting: (() => void)[] = [];
  files.write.mockImplementation((path) => new Promise((resolve) => waiting.push(() => resolve({ path } as never))));
  const uploads = new Uploads(files, vi.fn());
  uploads.add(
    "/",
    ["a", "b", "c"].map((path) => ({ path, file: new Blob(["x"]) })),
  );
  expect(files.write).toHaveBeenCalledTimes(2);
  expect(uploads.running).toBe(true);
  waiting[0]?.();
  await vi.waitFor(() => expect(files.write).toHaveBeenCalledTimes(3));
  // None waits any more.
  expect(uploads.running).toBe(true);
  for (const answer of waiting) answer();
  await settled(uploads);
  expect(uploads.running).toBe(false);
});

const remote = (answer: () => Response) => {
  const { fetch, calls } = network(answer);
  return { files: remoteFiles(createClient({ baseUrl: "https://api.example.com", fetch }), "s"), calls };
};

test.each([
  ["application/json", "{broken"],
  ["text/html", "<p>page</p>"],
  ["text/plain", ""],
])("a file is its bytes, also if it is %s", async (type, content) => {
  const { files } = remote(() => new Response(content, { headers: { ETag: '"1"', "Content-Type": type } }));
  const { bytes, etag } = await files.read("/a");
  expect([new TextDecoder().decode(bytes), etag]).toEqual([content, '"1"']);
});

test("the page of a proxy is no file", async () => {
  const { files } = remote(() => new Response("<p>Sign in</p>", { headers: { "Content-Type": "text/html" } }));
  await expect(files.read("/a")).rejects.toMatchObject({ name: "UnexpectedResponse" });
});

test("a write sends the bytes as they are, with its precondition", async () => {
  const { files, calls } = remote(() => success({ path: "/a b", etag: '"2"' }));
  await files.write("/a b", new Blob(["text"]), { "If-Match": '"1"' });
  expect(calls[0]).toMatchObject({ method: "PUT", body: "text" });
  expect(new URL(calls[0]?.path ?? "", "https://x").searchParams.get("path")).toBe("/a b");
  expect(calls[0]?.headers.get("If-Match")).toBe('"1"');
  expect(calls[0]?.headers.get("Content-Type")).toBe("application/octet-stream");
});

test("a refused write is a typed error", async () => {
  const { files } = remote(() => problem(412, "PRECONDITION_FAILED"));
  await expect(files.write("/a", new Blob([]), { "If-None-Match": "*" })).rejects.toMatchObject({
    code: "PRECONDITION_FAILED",
  });
});
