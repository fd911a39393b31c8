import type { components } from "../../api/index.ts";
import { afterMove, compareNames, isWithin, nameOf, parentOf } from "./paths.ts";

export type Entry = components["schemas"]["Entry"];

/** What is known of a directory. */
export interface Directory {
  /** The entries so far, in the order of the API. */
  entries: readonly Entry[];
  /** Continues the listing; null if all entries are known. */
  nextCursor: string | null;
  /** A request is in progress. */
  loading: boolean;
  /** Nothing was loaded yet. */
  fresh: boolean;
  error: unknown;
}

/** The state of the tree. Functions of this file return a new one, and change nothing. */
export interface Tree {
  directories: ReadonlyMap<string, Directory>;
  expanded: ReadonlySet<string>;
}

export interface EntryRow {
  type: "entry";
  path: string;
  entry: Entry;
  /** From 1. */
  level: number;
  expanded: boolean | undefined;
  /** The position among its siblings, from 1. */
  position: number;
  /** The number of siblings; -1 while it is unknown. */
  siblings: number;
}

/** Stands for the entries of a directory that are not loaded. */
export interface MoreRow {
  type: "more";
  /** The directory. */
  path: string;
  level: number;
  error: unknown;
}

export type Row = EntryRow | MoreRow;

const NOTHING: Directory = { entries: [], nextCursor: null, loading: false, fresh: true, error: null };

export const emptyTree: Tree = { directories: new Map(), expanded: new Set(["/"]) };

export const directoryOf = (tree: Tree, path: string): Directory => tree.directories.get(path) ?? NOTHING;

function withDirectory(tree: Tree, path: string, change: Partial<Directory>): Tree {
  const directories = new Map(tree.directories);
  directories.set(path, { ...directoryOf(tree, path), ...change });
  return { ...tree, directories };
}

export const loadingBegun = (tree: Tree, path: string): Tree =>
  withDirectory(tree, path, { loading: true, error: null });

export const loadingFailed = (tree: Tree, path: string, error: unknown): Tree =>
  withDirectory(tree, path, { loading: false, error });

/** Adds a page of a listing, or replaces all entries by it. */
export function pageLoaded(
  tree: Tree,
  path: string,
  page: { entries: readonly Entry[]; nextCursor: string | null },
  replaces: boolean,
): Tree {
  const known = replaces ? [] : directoryOf(tree, path).entries;
  // An entry may have come by the feed of changes while the page was on its way.
  const last = known.at(-1)?.name;
  const fresh = last === undefined ? page.entries : page.entries.filter(({ name }) => compareNames(name, last) > 0);
  return withDirectory(tree, path, {
    entries: [...known, ...fresh],
    nextCursor: page.nextCursor,
    loading: false,
    fresh: false,
    error: null,
  });
}

export function toggled(tree: Tree, path: string, open: boolean): Tree {
  const expanded = new Set(tree.expanded);
  if (open) expanded.add(path);
  else expanded.delete(path);
  return { ...tree, expanded };
}

/** The index of the name, or where it belongs. */
function place(entries: readonly Entry[], name: string): { index: number; found: boolean } {
  let [low, high] = [0, entries.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareNames((entries[middle] as Entry).name, name) < 0) low = middle + 1;
    else high = middle;
  }
  return { index: low, found: entries[low]?.name === name };
}

/** Adds or replaces an entry, if its directory is loaded as far as that. */
export function upserted(tree: Tree, entry: Entry): Tree {
  const parent = parentOf(entry.path);
  const directory = tree.directories.get(parent);
  if (!directory || directory.fresh || entry.path === "/") return tree;
  const { index, found } = place(directory.entries, entry.name);
  if (!found && index === directory.entries.length && directory.nextCursor !== null) return tree;
  const entries = [...directory.entries];
  entries.splice(index, found ? 1 : 0, entry);
  return withDirectory(tree, parent, { entries });
}

/** Removes an entry with everything below it. */
export function removed(tree: Tree, path: string): Tree {
  const parent = parentOf(path);
  const directory = tree.directories.get(parent);
  let next = forgotten(tree, path);
  if (directory) {
    const { index, found } = place(directory.entries, nameOf(path));
    if (found) next = withDirectory(next, parent, { entries: directory.entries.toSpliced(index, 1) });
  }
  return next;
}

/** Forgets what is known of a directory, and of those below it. */
export function forgotten(tree: Tree, path: string): Tree {
  const directories = new Map([...tree.directories].filter(([key]) => !isWithin(key, path)));
  const expanded = new Set([...tree.expanded].filter((key) => !isWithin(key, path)));
  return { directories, expanded };
}

/** Moves an entry; what is known of a directory moves along. */
export function moved(tree: Tree, from: string, to: string): Tree {
  const directory = tree.directories.get(parentOf(from));
  const old = directory && directory.entries[place(directory.entries, nameOf(from)).index];
  const carried = [...tree.directories].filter(([key]) => isWithin(key, from));
  const open = [...tree.expanded].filter((key) => isWithin(key, from));
  const without = removed(tree, from);
  const directories = new Map(without.directories);
  for (const [key, value] of carried) {
    const entries = value.entries.map((entry) => ({ ...entry, path: afterMove(entry.path, from, to) }));
    directories.set(afterMove(key, from, to), { ...value, entries });
  }
  const expanded = new Set([...without.expanded, ...open.map((key) => afterMove(key, from, to))]);
  const next = { directories, expanded };
  return old?.path === from ? upserted(next, { ...old, path: to, name: nameOf(to) }) : next;
}

/** The visible rows of the tree, from top to bottom. */
export function rowsOf(tree: Tree): Row[] {
  const rows: Row[] = [];
  const add = (path: string, level: number): void => {
    const { entries, nextCursor, fresh, error } = directoryOf(tree, path);
    const siblings = nextCursor === null ? entries.length : -1;
    entries.forEach((entry, index) => {
      const expanded = entry.kind === "directory" ? tree.expanded.has(entry.path) : undefined;
      rows.push({ type: "entry", path: entry.path, entry, level, expanded, position: index + 1, siblings });
      if (expanded) add(entry.path, level + 1);
    });
    if (fresh || nextCursor !== null || error) rows.push({ type: "more", path, level, error });
  };
  add("/", 1);
  return rows;
}
