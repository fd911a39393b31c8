import { createContext, use } from "react";
import { createStore, type StoreApi, useStore } from "zustand";

import { type Client, hasCode } from "../../api/index.ts";
import { sleep } from "../../api/retry.ts";
import type { SafeStorage } from "../../stores/storage.ts";
import { explain } from "../../ui/states.tsx";
import { toast } from "../../ui/toast.tsx";
import { Documents } from "./documents.ts";
import { Drafts } from "./drafts.ts";
import type { EditorStates } from "./editor-view.ts";
import { type FeedStatus, follow } from "./feed.ts";
import { joined, nameOf } from "./paths.ts";
import { type Remote, remoteFiles } from "./remote.ts";
import { TreeStore } from "./tree-store.ts";
import { MOST, type Picked, Uploads } from "./uploads.ts";

/** What the user is asked for. */
export type Question =
  | { kind: "file" | "directory"; directory: string }
  | { kind: "rename" | "move"; path: string }
  | { kind: "close"; doc: number };

interface State {
  feed: FeedStatus;
  question: Question | null;
  /** Where the editor goes when it shows the file. */
  line: { path: string; line: number } | null;
  /** Counts changes of the trash and of the snapshots, so that their lists are read again. */
  changes: number;
}

/** The files of a session as the page shows them. */
export class Workbench {
  readonly remote: Remote;
  readonly tree: TreeStore;
  readonly documents: Documents;
  readonly drafts: Drafts;
  readonly uploads: Uploads;
  readonly store: StoreApi<State>;
  readonly session: string;
  /** What the editor remembers of the open files: their histories, and where they were scrolled. */
  readonly editorStates: EditorStates = new Map();

  constructor(client: Client, session: string, user: string, storage: SafeStorage) {
    this.session = session;
    this.remote = remoteFiles(client, session);
    this.tree = new TreeStore(this.remote);
    this.drafts = new Drafts(storage, user, session);
    this.documents = new Documents(this.remote, this.drafts);
    this.uploads = new Uploads(this.remote, (entry) => void this.tree.apply([created(entry.path)]));
    this.store = createStore((): State => ({ feed: { state: "connecting" }, question: null, line: null, changes: 0 }));
  }

  /** Begins to read and to follow changes. Returns a function that ends it. */
  start(): () => void {
    const abort = new AbortController();
    let wake = new AbortController();
    void this.tree.loadMore("/");
    void this.documents.start();
    const resync = () => {
      void this.tree.refreshAll();
      this.documents.checkAll();
    };
    void follow(
      {
        poll: (cursor, wait, signal) => this.remote.changes(cursor, wait, signal),
        sleep: (seconds, signal) => {
          wake = new AbortController();
          return sleep(seconds, AbortSignal.any([signal, wake.signal]));
        },
        onChanges: (changes) => {
          void this.tree.apply(changes);
          this.documents.apply(changes);
          if (changes.some(({ kind, path }) => kind === "deleted" || kind === "created" || path === "/")) this.noted();
        },
        onGap: resync,
        onStatus: (feed) => this.store.setState({ feed }),
      },
      abort.signal,
    );
    // The network is back: no need to wait any longer.
    const online = () => wake.abort();
    const keep = () => this.documents.keep();
    const stay = (event: BeforeUnloadEvent) => {
      if (this.uploads.running || (!this.drafts.survives && this.documents.hasChanges)) event.preventDefault();
    };
    let timer: ReturnType<typeof setTimeout> | undefined;
    const unsubscribe = this.documents.store.subscribe(() => {
      clearTimeout(timer);
      timer = setTimeout(keep, 400);
    });
    window.addEventListener("online", online);
    window.addEventListener("pagehide", keep);
    window.addEventListener("beforeunload", stay);
    return () => {
      abort.abort();
      clearTimeout(timer);
      unsubscribe();
      keep();
      window.removeEventListener("online", online);
      window.removeEventListener("pagehide", keep);
      window.removeEventListener("beforeunload", stay);
    };
  }

  noted(): void {
    this.store.setState(({ changes }) => ({ changes: changes + 1 }));
  }

  ask(question: Question | null): void {
    this.store.setState({ question });
  }

  open(path: string, line?: number): void {
    this.documents.open(path);
    this.store.setState({ line: line === undefined ? null : { path, line } });
  }

  async create(kind: "file" | "directory", directory: string, name: string): Promise<void> {
    const path = joined(directory, name.normalize("NFC"));
    const entry =
      kind === "file"
        ? await this.remote.write(path, new Blob([]), { "If-None-Match": "*" })
        : await this.remote.makeDirectory(path);
    if (directory !== "/") this.tree.toggle(directory, true);
    this.tree.upsert(entry);
    await this.tree.reveal(path);
    if (kind === "file") this.open(path);
  }

  async move(from: string, to: string): Promise<void> {
    const entry = await this.remote.move(from, to);
    this.tree.move(from, entry);
    this.documents.moved(from, entry.path);
  }

  /** Moves by the mouse: a failure is a message. */
  async drop(from: string, directory: string): Promise<void> {
    const to = joined(directory, nameOf(from));
    if (to === from) return;
    try {
      await this.move(from, to);
      const undo = () => void this.drop(to, from.slice(0, -nameOf(from).length - 1) || "/");
      toast(`Moved “${nameOf(from)}” to ${directory}.`, { action: { label: "Undo", run: undo } });
    } catch (error) {
      failed(`“${nameOf(from)}” was not moved.`, error);
    }
  }

  async remove(path: string): Promise<void> {
    const name = nameOf(path);
    try {
      await this.remote.remove(path);
    } catch (error) {
      if (!hasCode(error, "NOT_FOUND")) {
        return failed(`“${name}” was not deleted.`, error, () => void this.remove(path));
      }
    }
    this.tree.remove(path);
    this.documents.removed(path);
    this.noted();
    toast(`Deleted “${name}”.`, { action: { label: "Undo", run: () => void this.undoRemove(path) } });
  }

  async undoRemove(path: string): Promise<void> {
    try {
      // The latest deletions come first.
      const { items } = await this.remote.trash(null);
      const item = items.find(({ entry }) => entry.path === path);
      if (!item) return void toast(`“${nameOf(path)}” is not in the trash any more.`, { tone: "bad" });
      await this.restore(item.id);
    } catch (error) {
      failed(`“${nameOf(path)}” did not come back.`, error, () => void this.undoRemove(path));
    }
  }

  async restore(item: string): Promise<void> {
    const entry = await this.remote.restoreTrash(item);
    this.tree.upsert(entry);
    this.documents.apply([created(entry.path)]);
    this.noted();
    toast(`Restored “${entry.name}”.`);
  }

  upload(directory: string, picked: Picked[]): void {
    if (directory !== "/") this.tree.toggle(directory, true);
    this.uploads.add(directory, picked);
    if (picked.length > MOST)
      toast(`Only the first ${MOST} files are uploaded. Add the others afterwards.`, { tone: "bad" });
  }

  async download(path: string): Promise<void> {
    try {
      const { bytes } = await this.remote.read(path);
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([bytes]));
      link.download = nameOf(path);
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    } catch (error) {
      failed(`“${nameOf(path)}” was not downloaded.`, error, () => void this.download(path));
    }
  }
}

const created = (path: string) => ({ kind: "created" as const, path, at: "", by: { userId: "" } });

export function failed(text: string, error: unknown, retry?: () => void): void {
  const action = retry && { label: "Try again", run: retry };
  const { title, text: more } = explain(error);
  toast(`${text} ${typeof more === "string" ? more : `${title}.`}`, { tone: "bad", action });
}

export const WorkbenchContext = createContext<Workbench | null>(null);

export function useWorkbench(): Workbench {
  const workbench = use(WorkbenchContext);
  if (!workbench) throw new Error("outside of the workbench");
  return workbench;
}

export const useTree = <T>(selector: (state: ReturnType<TreeStore["store"]["getState"]>) => T): T =>
  useStore(useWorkbench().tree.store, selector);
export const useDocuments = <T>(selector: (state: ReturnType<Documents["store"]["getState"]>) => T): T =>
  useStore(useWorkbench().documents.store, selector);
export const useBench = <T>(selector: (state: State) => T): T => useStore(useWorkbench().store, selector);
