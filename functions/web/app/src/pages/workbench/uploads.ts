import { createStore, type StoreApi } from "zustand/vanilla";

import { hasCode, Unreachable } from "../../api/index.ts";
import { joined } from "./paths.ts";
import type { Precondition, Remote } from "./remote.ts";
import type { Entry } from "./tree-state.ts";

/** Larger files arrive in parts. */
export const WHOLE = 4 * 1024 * 1024;
/** So many files are sent at the same time. */
const AT_ONCE = 2;
/** At most so many files of one drop. */
export const MOST = 1000;

export interface Upload {
  id: number;
  path: string;
  size: number;
  /** Bytes that have arrived. */
  sent: number;
  /** `exists`: there is a file of this name, and the user decides. */
  state: "waiting" | "sending" | "done" | "exists" | "failed";
  error: unknown;
}

export interface Picked {
  /** The path below the directory of the drop. */
  path: string;
  file: Blob;
}

interface Job {
  file: Blob;
  replaces: boolean;
  abort: AbortController;
}

type Files = Pick<Remote, "write" | "beginUpload" | "sendPart" | "signPart" | "commitUpload" | "cancelUpload">;

/** The uploads of a session, some at a time. */
export class Uploads {
  readonly store: StoreApi<{ uploads: readonly Upload[] }> = createStore(() => ({ uploads: [] as readonly Upload[] }));
  readonly #files: Files;
  readonly #onDone: (entry: Entry) => void;
  readonly #jobs = new Map<number, Job>();
  #last = 0;

  constructor(files: Files, onDone: (entry: Entry) => void) {
    this.#files = files;
    this.#onDone = onDone;
  }

  add(directory: string, picked: readonly Picked[]): void {
    const uploads = picked.slice(0, MOST).map(({ path, file }): Upload => {
      const id = ++this.#last;
      this.#jobs.set(id, { file, replaces: false, abort: new AbortController() });
      const target = joined(directory, path.normalize("NFC"));
      return { id, path: target, size: file.size, sent: 0, state: "waiting", error: null };
    });
    this.store.setState((state) => ({ uploads: [...state.uploads, ...uploads] }));
    this.#next();
  }

  #patch(id: number, change: Partial<Upload>): void {
    this.store.setState(({ uploads }) => ({
      uploads: uploads.map((upload) => (upload.id === id ? { ...upload, ...change } : upload)),
    }));
  }

  #next(): void {
    const { uploads } = this.store.getState();
    const room = AT_ONCE - uploads.filter(({ state }) => state === "sending").length;
    for (const upload of uploads.filter(({ state }) => state === "waiting").slice(0, Math.max(0, room))) {
      this.#patch(upload.id, { state: "sending", sent: 0, error: null });
      void this.#run(upload);
    }
  }

  async #run({ id, path }: Upload): Promise<void> {
    const job = this.#jobs.get(id);
    if (!job) return;
    try {
      const entry = await (job.file.size > WHOLE ? this.#inParts(id, path, job) : this.#whole(path, job));
      this.#jobs.delete(id);
      this.#patch(id, { state: "done", sent: job.file.size });
      this.#onDone(entry);
    } catch (error) {
      const exists = hasCode(error, "PRECONDITION_FAILED") && !job.replaces;
      this.#patch(id, exists ? { state: "exists" } : { state: "failed", error });
    }
    this.#next();
  }

  #whole(path: string, { file, replaces, abort }: Job): Promise<Entry> {
    const precondition: Precondition = replaces ? {} : { "If-None-Match": "*" };
    return this.#files.write(path, file, precondition, abort.signal, true);
  }

  async #inParts(id: number, path: string, { file, replaces, abort }: Job): Promise<Entry> {
    const upload = await this.#files.beginUpload(path, file.size);
    try {
      for (let n = 1; n <= upload.partCount; n++) {
        const part = file.slice((n - 1) * upload.partSize, n * upload.partSize);
        await this.#part(upload.id, n, part, upload.mayHaveUrls, abort.signal);
        this.#patch(id, { sent: Math.min(file.size, n * upload.partSize) });
      }
      const precondition = replaces ? {} : { ifNoneMatch: "*" };
      return await this.#files.commitUpload(upload.id, { ...precondition, parents: true });
    } catch (error) {
      // It would count against the quotas until it expires.
      await this.#files.cancelUpload(upload.id).catch(() => undefined);
      throw error;
    }
  }

  async #part(upload: string, n: number, part: Blob, mayHaveUrls: boolean, signal: AbortSignal): Promise<void> {
    if (mayHaveUrls) {
      const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", await part.arrayBuffer()));
      const digest = `sha-256=:${btoa(String.fromCharCode(...hash))}:`;
      const { request } = await this.#files.signPart(upload, n, digest);
      if (request) return sendTo(request, part, signal);
    }
    await this.#files.sendPart(upload, n, part, signal);
  }

  /** Tries again; `replaces` overwrites the file that has the name. */
  retry(id: number, replaces = false): void {
    const job = this.#jobs.get(id);
    if (!job) return;
    this.#jobs.set(id, { ...job, replaces: job.replaces || replaces, abort: new AbortController() });
    this.#patch(id, { state: "waiting", error: null });
    this.#next();
  }

  /** Ends an upload, or removes it from the list. */
  drop(id: number): void {
    this.#jobs.get(id)?.abort.abort();
    this.#jobs.delete(id);
    this.store.setState(({ uploads }) => ({ uploads: uploads.filter((upload) => upload.id !== id) }));
    this.#next();
  }

  /** Removes what has arrived from the list. */
  clear(): void {
    this.store.setState(({ uploads }) => ({ uploads: uploads.filter(({ state }) => state !== "done") }));
  }

  /** Whether something is on its way, which ends with the page. */
  get running(): boolean {
    return this.store.getState().uploads.some(({ state }) => state === "waiting" || state === "sending");
  }
}

async function sendTo(
  { url, method, headers }: { url: string; method: string; headers: Record<string, string> },
  body: Blob,
  signal: AbortSignal,
): Promise<void> {
  const response = await fetch(url, { method, headers, body, signal }).catch((error: unknown) => {
    throw new Unreachable(new URL(url).origin, error);
  });
  if (!response.ok) throw new Unreachable(new URL(url).origin);
}

/** The files of a drop, with those in dropped directories. */
export async function pickedFrom(transfer: DataTransfer): Promise<Picked[]> {
  // The list is empty after the first wait.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter((entry) => !!entry);
  if (entries.length === 0) return [...transfer.files].map((file) => ({ path: file.name, file }));
  const picked: Picked[] = [];
  const visit = async (entry: FileSystemEntry, path: string): Promise<void> => {
    if (picked.length > MOST) return;
    if (entry.isFile) {
      const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
      picked.push({ path, file });
      return;
    }
    const reader = (entry as FileSystemDirectoryEntry).createReader();
    for (;;) {
      // A reader returns some entries at a time.
      const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
      if (some.length === 0) return;
      for (const child of some) await visit(child, `${path}/${child.name}`);
    }
  };
  for (const entry of entries) await visit(entry, entry.name);
  return picked;
}
