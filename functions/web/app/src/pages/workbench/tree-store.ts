import { createStore, type StoreApi } from "zustand/vanilla";

import { hasCode } from "../../api/index.ts";
import type { FileChange } from "./feed.ts";
import { isWithin, parentOf } from "./paths.ts";
import type { Remote } from "./remote.ts";
import {
  directoryOf,
  emptyTree,
  type Entry,
  forgotten,
  loadingBegun,
  loadingFailed,
  moved,
  pageLoaded,
  removed,
  toggled,
  type Tree,
  upserted,
} from "./tree-state.ts";

/** A batch of the feed with more changed paths than these lists the directories again. */
const SINGLE = 40;

export interface TreeState {
  tree: Tree;
  /** The path where the keyboard is. */
  active: string | null;
}

/** The file tree of a session: what is loaded of it, and how it follows changes. */
export class TreeStore {
  readonly store: StoreApi<TreeState> = createStore(() => ({ tree: emptyTree, active: null }) as TreeState);
  readonly #remote: Pick<Remote, "list" | "stat">;
  /** Counts what makes the answers of older listings useless, by directory. */
  readonly #generations = new Map<string, number>();

  constructor(remote: Pick<Remote, "list" | "stat">) {
    this.#remote = remote;
  }

  get tree(): Tree {
    return this.store.getState().tree;
  }

  #set(tree: Tree): void {
    this.store.setState({ tree });
  }

  activate(active: string | null): void {
    this.store.setState({ active });
  }

  toggle(path: string, open: boolean): void {
    this.#set(toggled(this.tree, path, open));
    if (open && directoryOf(this.tree, path).fresh) void this.loadMore(path);
  }

  /** Loads the next page of a directory; one request at a time. */
  async loadMore(path: string): Promise<void> {
    const { loading, fresh, nextCursor } = directoryOf(this.tree, path);
    if (loading || (!fresh && nextCursor === null)) return;
    await this.#load(path, fresh);
  }

  async #load(path: string, replaces: boolean): Promise<void> {
    const generation = (this.#generations.get(path) ?? 0) + 1;
    this.#generations.set(path, generation);
    const outdated = () => this.#generations.get(path) !== generation;
    const cursor = replaces ? null : directoryOf(this.tree, path).nextCursor;
    this.#set(loadingBegun(this.tree, path));
    try {
      const page = await this.#remote.list(path, cursor);
      if (!outdated()) this.#set(pageLoaded(this.tree, path, page, replaces));
    } catch (error) {
      if (outdated()) return;
      // Somebody has deleted the directory, or put a file in its place.
      const gone = path !== "/" && hasCode(error, "NOT_FOUND", "NOT_A_DIRECTORY");
      this.#set(gone ? removed(this.tree, path) : loadingFailed(this.tree, path, error));
    }
  }

  /** Lists a directory anew. Until the answer, the known entries stay. */
  async refresh(path: string): Promise<void> {
    if (this.tree.directories.has(path)) await this.#load(path, true);
  }

  /** Lists everything anew that is visible, and forgets the rest. */
  async refreshAll(): Promise<void> {
    for (const path of [...this.tree.directories.keys()]) {
      if (path !== "/" && !this.tree.expanded.has(path)) this.#set(forgotten(this.tree, path));
    }
    await Promise.all([...this.tree.directories.keys()].map((path) => this.refresh(path)));
  }

  /** Opens the directories above a path, so that it is visible, and goes there. */
  async reveal(path: string): Promise<void> {
    const above: string[] = [];
    for (let at = parentOf(path); ; at = parentOf(at)) {
      above.unshift(at);
      if (at === "/") break;
    }
    for (const directory of above) {
      if (directory !== "/") this.#set(toggled(this.tree, directory, true));
      if (directoryOf(this.tree, directory).fresh) await this.#load(directory, true);
    }
    this.activate(path);
  }

  upsert(entry: Entry): void {
    this.#set(upserted(this.tree, entry));
  }

  remove(path: string): void {
    const { active } = this.store.getState();
    this.#set(removed(this.tree, path));
    if (active !== null && isWithin(active, path)) this.activate(null);
  }

  move(from: string, entry: Entry): void {
    const { active } = this.store.getState();
    this.#set(upserted(moved(this.tree, from, entry.path), entry));
    if (active === from) this.activate(entry.path);
  }

  /** Follows changes that others made. Applying a change again does no harm. */
  async apply(changes: readonly FileChange[]): Promise<void> {
    if (changes.some(({ path, kind }) => path === "/" && kind === "changed")) return this.refreshAll();
    const touched = new Set<string>();
    for (const { kind, path, from } of changes) {
      if (kind === "deleted") this.remove(path);
      if (kind === "moved" && from !== undefined) this.#set(moved(this.tree, from, path));
      // What a directory contained may have been replaced.
      if (kind === "created" && this.tree.directories.has(path)) await this.refresh(path);
      touched.add(path);
    }
    const visible = [...touched].filter((path) => !directoryOf(this.tree, parentOf(path)).fresh);
    if (visible.length > SINGLE) {
      await Promise.all([...new Set(visible.map(parentOf))].map((path) => this.refresh(path)));
      return;
    }
    await Promise.all(visible.map((path) => this.#check(path)));
  }

  async #check(path: string): Promise<void> {
    try {
      this.upsert(await this.#remote.stat(path));
    } catch (error) {
      if (hasCode(error, "NOT_FOUND", "NOT_A_DIRECTORY")) this.remove(path);
      else await this.refresh(parentOf(path));
    }
  }
}
