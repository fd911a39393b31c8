import { type Client, type components, dataOf, UnexpectedResponse, Unreachable } from "../../api/index.ts";
import { FEED_PAGE } from "./feed.ts";

type Schemas = components["schemas"];
export type Operation = Schemas["FileOperation"];
export type Snapshot = Schemas["Snapshot"];

/** Entries of one page of a listing: the API's largest page. */
const PAGE = 1000;

/** What a write expects of the file. */
export interface Precondition {
  "If-Match"?: string;
  "If-None-Match"?: string;
}

/** The files of a session, as typed requests. Each rejects with an `ApiError`. */
export function remoteFiles(client: Client, id: string) {
  const path = { id };
  const bytes = {
    bodySerializer: (body: unknown) => body as Blob,
    headers: { "Content-Type": "application/octet-stream" },
  };
  return {
    list: (directory: string, cursor: string | null) => {
      const query = { path: directory, limit: PAGE, ...(cursor !== null && { cursor }) };
      return dataOf(client.GET("/sessions/{id}/files", { params: { path, query } }));
    },

    stat: (file: string) =>
      dataOf(client.GET("/sessions/{id}/files/stat", { params: { path, query: { path: file } } })),

    /** The content with its entity tag. */
    async read(file: string, at?: string): Promise<{ bytes: ArrayBuffer; etag: string }> {
      const query = { path: file, ...(at !== undefined && { at }) };
      const { response } = await client.GET("/sessions/{id}/files/content", {
        params: { path, query },
        parseAs: "stream",
      });
      const etag = response.headers.get("ETag");
      if (!etag) throw new UnexpectedResponse(response.url, response.status);
      const content = await response.arrayBuffer().catch((error: unknown) => {
        throw new Unreachable(response.url ? new URL(response.url).origin : "the API", error);
      });
      return { bytes: content, etag };
    },

    write(file: string, body: Blob, header: Precondition, signal?: AbortSignal, parents = false) {
      const query = { path: file, ...(parents && { parents }) };
      return dataOf(
        client.PUT("/sessions/{id}/files/content", {
          ...bytes,
          params: { path, query, header },
          body: body as unknown as string,
          signal: signal ?? null,
        }),
      );
    },

    makeDirectory: (directory: string) =>
      dataOf(client.POST("/sessions/{id}/files/directories", { params: { path }, body: { path: directory } })),

    move: (from: string, to: string) =>
      dataOf(client.POST("/sessions/{id}/files/move", { params: { path }, body: { from, to } })),

    remove: (file: string) =>
      dataOf(client.DELETE("/sessions/{id}/files", { params: { path, query: { path: file, recursive: true } } })),

    change: (operations: Operation[]) =>
      dataOf(client.POST("/sessions/{id}/files/changesets", { params: { path }, body: { operations } })),

    changes: (cursor: string | null, wait: number, signal: AbortSignal) => {
      const query = { limit: FEED_PAGE, wait, ...(cursor !== null && { cursor }) };
      return dataOf(client.GET("/sessions/{id}/files/changes", { params: { path, query }, signal }));
    },

    search: (q: string, mode: "all" | "name" | "text", cursor: string | null, signal: AbortSignal) => {
      const query = { q, mode, path: "/", ...(cursor !== null && { cursor }) };
      return dataOf(client.GET("/sessions/{id}/files/search", { params: { path, query }, signal }));
    },

    trash: (cursor: string | null) => {
      const query = { limit: 100, ...(cursor !== null && { cursor }) };
      return dataOf(client.GET("/sessions/{id}/files/trash", { params: { path, query } }));
    },
    restoreTrash: (item: string) =>
      dataOf(client.POST("/sessions/{id}/files/trash/{item}/restore", { params: { path: { id, item } } })),
    emptyTrash: () => dataOf(client.DELETE("/sessions/{id}/files/trash", { params: { path } })),

    snapshots: (cursor: string | null) => {
      const query = { limit: 50, ...(cursor !== null && { cursor }) };
      return dataOf(client.GET("/sessions/{id}/snapshots", { params: { path, query } }));
    },
    snapshot: (snapshot: string) =>
      dataOf(client.GET("/sessions/{id}/snapshots/{snapshot}", { params: { path: { id, snapshot } } })),
    createSnapshot: (body: { name?: string }, key: string) =>
      dataOf(client.POST("/sessions/{id}/snapshots", { params: { path, header: { "Idempotency-Key": key } }, body })),
    deleteSnapshot: (snapshot: string) =>
      dataOf(client.DELETE("/sessions/{id}/snapshots/{snapshot}", { params: { path: { id, snapshot } } })),
    restoreSnapshot: (snapshot: string) =>
      dataOf(client.POST("/sessions/{id}/snapshots/{snapshot}/restore", { params: { path: { id, snapshot } } })),
    difference: (snapshot: string, cursor: string | null) => {
      const query = { limit: 200, ...(cursor !== null && { cursor }) };
      return dataOf(
        client.GET("/sessions/{id}/snapshots/{snapshot}/diff", { params: { path: { id, snapshot }, query } }),
      );
    },

    beginUpload: (file: string, size: number) =>
      dataOf(client.POST("/sessions/{id}/uploads", { params: { path }, body: { path: file, size } })),
    sendPart: (upload: string, part: number, body: Blob, signal: AbortSignal) =>
      dataOf(
        client.PUT("/sessions/{id}/uploads/{upload}/parts/{part}", {
          ...bytes,
          params: { path: { id, upload, part } },
          body: body as unknown as string,
          signal,
        }),
      ),
    signPart: (upload: string, part: number, digest: string) =>
      dataOf(
        client.POST("/sessions/{id}/uploads/{upload}/parts/{part}/url", {
          params: { path: { id, upload, part } },
          body: { digest },
        }),
      ),
    commitUpload: (upload: string, body: Schemas["CommitUpload"]) =>
      dataOf(client.POST("/sessions/{id}/uploads/{upload}/commit", { params: { path: { id, upload } }, body })),
    cancelUpload: (upload: string) =>
      dataOf(client.DELETE("/sessions/{id}/uploads/{upload}", { params: { path: { id, upload } } })),
  };
}

export type Remote = ReturnType<typeof remoteFiles>;
