import { createStore, type StoreApi } from "zustand/vanilla";

import { hasCode, UnexpectedResponse } from "../../api/index.ts";
import type { Drafts } from "./drafts.ts";
import type { FileChange } from "./feed.ts";
import { merge3 } from "./merge.ts";
import { afterMove, isWithin } from "./paths.ts";
import type { Operation, Remote } from "./remote.ts";

/** Larger files are not edited here: the editor would be slow. */
export const LARGEST = 2 * 1024 * 1024;
/** The contents of one changeset have at most this many bytes together. The API's limit is 4 MiB. */
const CHANGESET = 4_000_000;

/** What the server has instead of the version that the user began with. */
export type Theirs =
  { kind: "text"; text: string; etag: string } | { kind: "deleted" } | { kind: "uneditable"; etag: string };

export interface Doc {
  /** Stays the same when the file moves. */
  id: number;
  path: string;
  state: "waiting" | "loading" | "ready" | "failed" | "binary" | "large";
  /** Why it could not be loaded. */
  error: unknown;
  /** The content that the changes began with. */
  base: string;
  /** Its entity tag; null if the server has no such file. */
  etag: string | null;
  text: string;
  /** Counts the texts that did not come from the editor. */
  revision: number;
  saving: boolean;
  saveError: unknown;
  /** Both sides have changed the file: the user decides. */
  conflict: Theirs | null;
  /** Somebody else has changed or deleted the file since. */
  stale: "changed" | "deleted" | null;
}

export interface DocumentsState {
  docs: readonly Doc[];
  active: number | null;
  /** Why nothing of "save all" was saved. */
  allError: unknown;
  savingAll: boolean;
}

type Files = Pick<Remote, "stat" | "read" | "write" | "change">;

export const isDirty = ({ state, text, base, etag }: Doc): boolean =>
  state === "ready" && (text !== base || etag === null);

/** The text of a file; undefined if the bytes are not text. */
export function textOf(bytes: ArrayBuffer): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return text.includes("\0") ? undefined : text;
  } catch {
    return undefined;
  }
}

/** "Save all" has more than one request can carry. */
export class TooMuchAtOnce extends Error {
  override readonly name = "TooMuchAtOnce";
}

/** The open files of a session. No function loses a change that is not saved. */
export class Documents {
  readonly store: StoreApi<DocumentsState>;
  readonly #files: Files;
  readonly #drafts: Drafts;
  #last = 0;
  /** Files that the feed named while they were being saved. */
  readonly #missed = new Set<number>();

  constructor(files: Files, drafts: Drafts) {
    this.#files = files;
    this.#drafts = drafts;
    const kept = drafts.load();
    const docs = kept.files.map(({ path, draft }): Doc => {
      const doc = this.#fresh(path);
      return draft ? { ...doc, ...draft, state: "ready" } : doc;
    });
    const active = docs.find(({ path }) => path === kept.active) ?? docs[0];
    this.store = createStore(() => ({ docs, active: active?.id ?? null, allError: null, savingAll: false }));
  }

  get docs(): readonly Doc[] {
    return this.store.getState().docs;
  }

  get hasChanges(): boolean {
    return this.docs.some(isDirty);
  }

  /** Reads what has to be shown, and compares the drafts with the server. */
  async start(): Promise<void> {
    const { active } = this.store.getState();
    if (active !== null) this.activate(active);
    await Promise.all(this.docs.filter(isDirty).map(({ id }) => this.check(id)));
  }

  #fresh(path: string): Doc {
    return {
      id: ++this.#last,
      path,
      state: "waiting",
      error: null,
      base: "",
      etag: null,
      text: "",
      revision: 0,
      saving: false,
      saveError: null,
      conflict: null,
      stale: null,
    };
  }

  find(id: number): Doc | undefined {
    return this.docs.find((doc) => doc.id === id);
  }

  at(path: string): Doc | undefined {
    return this.docs.find((doc) => doc.path === path);
  }

  #patch(id: number, change: Partial<Doc>): void {
    this.store.setState(({ docs }) => ({ docs: docs.map((doc) => (doc.id === id ? { ...doc, ...change } : doc)) }));
  }

  /** Keeps the changes for a reload. */
  keep(): void {
    const { docs, active } = this.store.getState();
    this.#drafts.save({
      files: docs.map((doc) => {
        const { path, base, etag, text } = doc;
        return isDirty(doc) ? { path, draft: { base, etag, text } } : { path };
      }),
      active: docs.find(({ id }) => id === active)?.path ?? null,
    });
  }

  open(path: string): void {
    const known = this.at(path);
    if (known) return this.activate(known.id);
    const doc = this.#fresh(path);
    this.store.setState(({ docs }) => ({ docs: [...docs, doc] }));
    this.activate(doc.id);
  }

  activate(id: number): void {
    this.store.setState({ active: id });
    const state = this.find(id)?.state;
    if (state === "waiting" || state === "failed") void this.load(id);
    this.keep();
  }

  /** Closes a file, with its changes. Whoever calls this has asked the user. */
  close(id: number): void {
    this.store.setState(({ docs, active }) => {
      const index = docs.findIndex((doc) => doc.id === id);
      const rest = docs.filter((doc) => doc.id !== id);
      return { docs: rest, active: active === id ? (rest[Math.min(index, rest.length - 1)]?.id ?? null) : active };
    });
    const { active } = this.store.getState();
    if (active !== null) this.activate(active);
    else this.keep();
  }

  /** Reads the file from the server, and replaces the text, if it has no changes. */
  async load(id: number): Promise<void> {
    const before = this.find(id);
    if (!before || before.state === "loading") return;
    const { path } = before;
    if (before.state !== "ready") this.#patch(id, { state: "loading", error: null });
    const unchanged = () => {
      const doc = this.find(id);
      return doc && doc.path === path && !isDirty(doc) ? doc : undefined;
    };
    try {
      const { size } = await this.#files.stat(path);
      if (size > LARGEST) {
        if (unchanged()) this.#patch(id, { state: "large" });
        return;
      }
      const { bytes, etag } = await this.#files.read(path);
      const doc = unchanged();
      if (!doc) return;
      const text = textOf(bytes);
      if (text === undefined) return this.#patch(id, { state: "binary", etag });
      const revision = doc.revision + (text === doc.text ? 0 : 1);
      this.#patch(id, { state: "ready", base: text, text, etag, revision, stale: null, error: null });
    } catch (error) {
      const doc = unchanged();
      // What is shown stays; the next change or reconnection reads it again.
      if (doc && doc.state !== "ready") this.#patch(id, { state: "failed", error });
      else if (doc && hasCode(error, "NOT_FOUND")) this.close(id);
    }
  }

  edit(id: number, text: string): void {
    this.#patch(id, { text });
  }

  /** Saves one file. Rejects never: the document says what happened. */
  async save(id: number): Promise<void> {
    const doc = this.find(id);
    if (!doc || !isDirty(doc) || doc.saving || doc.conflict) return;
    const { path, text, etag } = doc;
    this.#patch(id, { saving: true, saveError: null });
    try {
      const body = new Blob([text]);
      // A deleted file comes back with the directories that were deleted with it.
      const entry =
        etag === null
          ? await this.#files.write(path, body, { "If-None-Match": "*" }, undefined, true)
          : await this.#files.write(path, body, { "If-Match": etag });
      this.#saved(id, text, entry.etag);
    } catch (error) {
      if (hasCode(error, "PRECONDITION_FAILED")) await this.#compare(id, text);
      else this.#patch(id, { saving: false, saveError: error });
    }
  }

  #saved(id: number, text: string, etag: string): void {
    this.#patch(id, { base: text, etag, saving: false, saveError: null, conflict: null, stale: null });
    this.keep();
    if (this.#missed.delete(id)) void this.check(id);
  }

  /** The server has another version: reads it, so that the user can decide. */
  async #compare(id: number, sent: string): Promise<void> {
    const doc = this.find(id);
    if (!doc) return;
    try {
      const theirs = await this.#theirs(doc.path);
      // The own change had arrived, and only its response was lost; or both made the same change.
      if (theirs.kind === "text" && theirs.text === sent) this.#saved(id, sent, theirs.etag);
      else this.#patch(id, { saving: false, conflict: theirs });
    } catch (error) {
      this.#patch(id, { saving: false, saveError: error });
    }
  }

  async #theirs(path: string): Promise<Theirs> {
    try {
      const { size, etag, kind } = await this.#files.stat(path);
      if (size > LARGEST || kind !== "file") return { kind: "uneditable", etag };
      const read = await this.#files.read(path);
      const text = textOf(read.bytes);
      return text === undefined ? { kind: "uneditable", etag: read.etag } : { kind: "text", text, etag: read.etag };
    } catch (error) {
      if (hasCode(error, "NOT_FOUND", "NOT_A_DIRECTORY")) return { kind: "deleted" };
      throw error;
    }
  }

  /** Shows the version of the others before the user saves. */
  async review(id: number): Promise<void> {
    const doc = this.find(id);
    if (doc && !doc.saving) await this.#compare(id, doc.text);
  }

  /** The user's decision about a conflict. Returns the number of places that are left to them. */
  async resolve(id: number, choice: "mine" | "theirs" | "merge"): Promise<number> {
    const doc = this.find(id);
    if (!doc?.conflict) return 0;
    const { conflict, base, text } = doc;
    const etag = conflict.kind === "deleted" ? null : conflict.etag;
    if (choice === "mine") {
      this.#patch(id, { base: conflict.kind === "text" ? conflict.text : "", etag, conflict: null, stale: null });
      await this.save(id);
      return 0;
    }
    if (choice === "merge" && conflict.kind === "text") {
      const merged = merge3(base, text, conflict.text);
      const revision = doc.revision + 1;
      this.#patch(id, { base: conflict.text, etag, text: merged.text, revision, conflict: null, stale: null });
      this.keep();
      return merged.conflicts;
    }
    if (conflict.kind === "deleted") {
      this.close(id);
    } else if (conflict.kind === "text") {
      const revision = doc.revision + 1;
      this.#patch(id, { base: conflict.text, etag, text: conflict.text, revision, conflict: null, stale: null });
      this.keep();
    } else {
      this.#patch(id, { state: "binary", etag, conflict: null, stale: null });
    }
    return 0;
  }

  /** Saves all changed files, or none of them. */
  async saveAll(): Promise<void> {
    const dirty = this.docs.filter((doc) => isDirty(doc) && !doc.saving && !doc.conflict);
    const [only] = dirty;
    this.store.setState({ allError: null });
    if (!only || this.store.getState().savingAll) return;
    if (dirty.length === 1) return this.save(only.id);
    if (dirty.reduce((sum, { text }) => sum + new Blob([text]).size, 0) > CHANGESET) {
      return this.store.setState({ allError: new TooMuchAtOnce() });
    }
    this.store.setState({ savingAll: true });
    for (const { id } of dirty) this.#patch(id, { saving: true, saveError: null });
    try {
      const operations = dirty.map(({ path, text, etag }): Operation =>
        etag === null
          ? { op: "put", path, text, ifNoneMatch: "*", parents: true }
          : { op: "put", path, text, ifMatch: etag },
      );
      const { entries } = await this.#files.change(operations);
      dirty.forEach(({ id, text }, index) => {
        const etag = entries[index]?.etag;
        // Without its tag, the next save could overwrite a change that the user has not seen.
        if (etag === undefined) throw new UnexpectedResponse("/files/changesets", 200);
        this.#saved(id, text, etag);
      });
    } catch (error) {
      for (const { id } of dirty) this.#patch(id, { saving: false });
      this.store.setState({ allError: error });
      if (hasCode(error, "PRECONDITION_FAILED")) await this.#findConflicts(dirty);
    }
    this.store.setState({ savingAll: false });
  }

  async #findConflicts(docs: readonly Doc[]): Promise<void> {
    await Promise.all(
      docs.map(async ({ id, path, etag, text }) => {
        const found = await this.#files.stat(path).then(
          (entry) => entry.etag,
          (error: unknown) => (hasCode(error, "NOT_FOUND", "NOT_A_DIRECTORY") ? null : etag),
        );
        if (found !== etag) await this.#compare(id, text);
      }),
    );
  }

  /** Compares with the server what is open, after something was missed. */
  async check(id: number): Promise<void> {
    const doc = this.find(id);
    if (!doc || doc.saving || doc.conflict || doc.state === "waiting" || doc.state === "loading") return;
    if (doc.state === "failed") return this.load(id);
    try {
      const { etag } = await this.#files.stat(doc.path);
      this.#changed(doc.path, etag);
    } catch (error) {
      if (hasCode(error, "NOT_FOUND", "NOT_A_DIRECTORY")) this.removed(doc.path);
    }
  }

  checkAll(): void {
    for (const { id } of this.docs) void this.check(id);
  }

  /** Follows the changes of others, and those of this page, which have the known tags. */
  apply(changes: readonly FileChange[]): void {
    for (const { kind, path, from, etag } of changes) {
      if (path === "/" && kind === "changed") this.checkAll();
      else if (kind === "deleted") this.removed(path);
      else if (kind === "moved" && from !== undefined) this.moved(from, path);
      else if (this.at(path) && etag !== undefined) this.#changed(path, etag);
      // A directory that came back, or is a copy, stands for everything below it.
      else if (kind === "created") for (const doc of this.docs) if (isWithin(doc.path, path)) void this.check(doc.id);
    }
  }

  #changed(path: string, etag: string): void {
    const doc = this.at(path);
    // A save that is on its way is checked by the server; its own change looks like one of others until then.
    if (doc?.saving) this.#missed.add(doc.id);
    if (!doc || doc.etag === etag || doc.saving || doc.conflict) return;
    if (isDirty(doc)) this.#patch(doc.id, { stale: "changed" });
    else if (doc.state !== "waiting") void this.load(doc.id);
  }

  moved(from: string, to: string): void {
    if (!this.docs.some(({ path }) => isWithin(path, from))) return;
    this.store.setState(({ docs }) => ({
      docs: docs.map((doc) => ({ ...doc, path: afterMove(doc.path, from, to) })),
    }));
    this.keep();
  }

  /** Closes what was deleted; a file with changes stays, and saving creates it again. */
  removed(path: string): void {
    for (const doc of this.docs) {
      if (!isWithin(doc.path, path) || doc.saving) continue;
      if (isDirty(doc)) this.#patch(doc.id, { etag: null, stale: "deleted" });
      else this.close(doc.id);
    }
  }
}
