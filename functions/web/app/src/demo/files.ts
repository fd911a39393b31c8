// The files of the demo's sessions. Loaded when a session is opened.

import type { components } from "../api/index.ts";
import { afterMove, compareNames, isWithin, nameOf, parentOf } from "../pages/workbench/paths.ts";
import { SAMPLES } from "./samples.ts";

type Schemas = components["schemas"];
type Entry = Schemas["Entry"];
type Problem = Partial<Schemas["Problem"]> & { code: Schemas["Code"] };
export type FileAnswer =
  | { status?: number; data: unknown; etag?: string }
  | { bytes: Uint8Array<ArrayBuffer>; etag: string }
  | { problem: Problem };

interface Node {
  kind: Entry["kind"];
  bytes: Uint8Array<ArrayBuffer>;
  etag: string;
  modifiedAt: string;
}

/** All entries by path. Nodes are never changed, so a copy of the map is a snapshot. */
type Nodes = Map<string, Node>;

interface Workspace {
  nodes: Nodes;
  changes: Schemas["FileChange"][];
  trash: { item: Schemas["TrashItem"]; nodes: Nodes }[];
  snapshots: { snapshot: Schemas["Snapshot"]; nodes: Nodes }[];
  waiting: Set<() => void>;
}

class Refused extends Error {
  readonly problem: Problem;

  constructor(code: Schemas["Code"], status: number, title: string, detail: string) {
    super(detail);
    this.problem = { code, status, title, detail };
  }
}

const refusals = {
  missing: () => new Refused("NOT_FOUND", 404, "Not found", "The demo has no such file."),
  taken: () => new Refused("EXISTS", 409, "The path is taken", "There is something of this name already."),
  changed: () => new Refused("PRECONDITION_FAILED", 412, "The version differs", "The file was changed meanwhile."),
  notHere: (what: string) => new Refused("FORBIDDEN", 403, "Not in the demo", `The demo cannot ${what}.`),
};

const NOTHING = new Uint8Array(0);
const DAY = 86_400_000;

/** Answers the requests below `/sessions/{id}/files` and `/sessions/{id}/snapshots`, on data in this tab. */
export function createFiles(userId: string) {
  const workspaces = new Map<string, Workspace>();
  let version = 0;
  const nextTag = () => `"demo-${++version}"`;
  const now = () => new Date().toISOString();

  function workspaceOf(session: string): Workspace {
    const known = workspaces.get(session);
    if (known) return known;
    const nodes: Nodes = new Map();
    const modifiedAt = now();
    for (const [path, text] of SAMPLES) {
      for (let above = parentOf(path); above !== "/"; above = parentOf(above)) {
        if (!nodes.has(above)) nodes.set(above, { kind: "directory", bytes: NOTHING, etag: nextTag(), modifiedAt });
      }
      nodes.set(path, { kind: "file", bytes: new TextEncoder().encode(text), etag: nextTag(), modifiedAt });
    }
    const fresh: Workspace = { nodes, changes: [], trash: [], snapshots: [], waiting: new Set() };
    workspaces.set(session, fresh);
    return fresh;
  }

  const entryOf = (path: string, { kind, bytes, etag, modifiedAt }: Node): Entry => ({
    path,
    name: path === "/" ? "" : nameOf(path),
    kind,
    size: bytes.length,
    mediaType: kind === "file" ? "text/plain" : null,
    modifiedAt,
    etag,
    digest: null,
  });

  const root: Node = { kind: "directory", bytes: NOTHING, etag: '"demo-root"', modifiedAt: now() };

  function nodeAt(nodes: Nodes, path: string): Node {
    const node = path === "/" ? root : nodes.get(path);
    if (!node) throw refusals.missing();
    return node;
  }

  const below = (nodes: Nodes, path: string): Nodes => new Map([...nodes].filter(([key]) => isWithin(key, path)));

  function note(space: Workspace, change: Pick<Schemas["FileChange"], "kind" | "path" | "from" | "etag">): void {
    space.changes.push({ at: now(), by: { userId }, ...change });
    for (const wake of space.waiting) wake();
    space.waiting.clear();
  }

  interface Expected {
    ifMatch?: string | null | undefined;
    ifNoneMatch?: string | null | undefined;
  }

  function put(space: Workspace, path: string, bytes: Uint8Array<ArrayBuffer>, expected: Expected, parents: boolean) {
    const old = space.nodes.get(path);
    const { ifMatch, ifNoneMatch } = expected;
    if ((ifNoneMatch && old) || (ifMatch && ifMatch !== "*" && old?.etag !== ifMatch)) throw refusals.changed();
    if (old?.kind === "directory") throw refusals.taken();
    for (let above = parentOf(path); above !== "/"; above = parentOf(above)) {
      if (space.nodes.has(above)) continue;
      if (!parents) throw refusals.missing();
      space.nodes.set(above, { ...root, etag: nextTag() });
      note(space, { kind: "created", path: above });
    }
    const node: Node = { kind: "file", bytes, etag: nextTag(), modifiedAt: now() };
    space.nodes.set(path, node);
    note(space, { kind: old ? "changed" : "created", path, etag: node.etag });
    return entryOf(path, node);
  }

  function throwAway(space: Workspace, path: string): void {
    const entry = entryOf(path, nodeAt(space.nodes, path));
    const nodes = below(space.nodes, path);
    for (const key of nodes.keys()) space.nodes.delete(key);
    const deletedAt = now();
    const expiresAt = new Date(Date.now() + 30 * DAY).toISOString();
    const item = { id: crypto.randomUUID(), entry, deletedAt, deletedBy: userId, expiresAt };
    space.trash.unshift({ item, nodes });
    note(space, { kind: "deleted", path });
  }

  async function files(
    request: Request,
    space: Workspace,
    rest: string[],
    query: URLSearchParams,
  ): Promise<FileAnswer> {
    const { method } = request;
    const [what, id] = rest;
    const path = query.get("path") ?? "/";
    const at = query.get("at");
    const nodes = at ? space.snapshots.find(({ snapshot }) => snapshot.id === at)?.nodes : space.nodes;
    if (!nodes) throw refusals.missing();
    if (what === undefined && method === "DELETE") {
      throwAway(space, path);
      return { data: {} };
    }
    if (what === undefined) {
      nodeAt(nodes, path);
      const entries = [...nodes]
        .filter(([key]) => parentOf(key) === path)
        .map(([key, node]) => entryOf(key, node))
        .sort((a, b) => compareNames(a.name, b.name));
      return { data: { entries, nextCursor: null } };
    }
    switch (`${method} ${what}`) {
      case "GET stat": {
        const node = nodeAt(nodes, path);
        return { data: entryOf(path, node), etag: node.etag };
      }
      case "GET content": {
        const { bytes, etag } = nodeAt(nodes, path);
        return { bytes, etag };
      }
      case "PUT content": {
        const bytes = new Uint8Array(await request.arrayBuffer());
        const expected = {
          ifMatch: request.headers.get("If-Match"),
          ifNoneMatch: request.headers.get("If-None-Match"),
        };
        return { status: 201, data: put(space, path, bytes, expected, query.get("parents") === "true") };
      }
      case "POST directories": {
        const body = (await request.json()) as Schemas["MakeDirectory"];
        if (space.nodes.has(body.path)) throw refusals.taken();
        const node: Node = { ...root, etag: nextTag(), modifiedAt: now() };
        space.nodes.set(body.path, node);
        note(space, { kind: "created", path: body.path, etag: node.etag });
        return { status: 201, data: entryOf(body.path, node) };
      }
      case "POST move": {
        const { from, to } = (await request.json()) as Schemas["Transfer"];
        const node = nodeAt(space.nodes, from);
        if (space.nodes.has(to) || isWithin(to, from)) throw refusals.taken();
        nodeAt(space.nodes, parentOf(to));
        for (const [key, moved] of below(space.nodes, from)) {
          space.nodes.delete(key);
          space.nodes.set(afterMove(key, from, to), moved);
        }
        note(space, { kind: "moved", path: to, from, etag: node.etag });
        return { data: entryOf(to, node) };
      }
      case "POST changesets": {
        const { operations } = (await request.json()) as Schemas["Changeset"];
        const before = new Map(space.nodes);
        try {
          const entries = operations.map((operation) => {
            if (operation.op !== "put" || !("text" in operation)) throw refusals.notHere("do this in one step");
            return put(space, operation.path, new TextEncoder().encode(operation.text), operation, false);
          });
          return { data: { entries: entries.map(({ path, etag }) => ({ path, etag })) } };
        } catch (error) {
          space.nodes = before;
          throw error;
        }
      }
      case "GET changes": {
        const start = Number(query.get("cursor") ?? 0);
        if (space.changes.length <= start) await change(space, Number(query.get("wait") ?? 0), request.signal);
        return { data: { changes: space.changes.slice(start), nextCursor: String(space.changes.length) } };
      }
      case "GET search":
        return { data: search(space, query.get("q") ?? "", query.get("mode") ?? "all") };
      case "GET trash":
        return { data: { items: space.trash.map(({ item }) => item), nextCursor: null } };
      case "DELETE trash":
        space.trash = [];
        return { data: {} };
      case "POST trash": {
        const found = space.trash.find(({ item }) => item.id === id);
        if (!found) throw refusals.missing();
        if (space.nodes.has(found.item.entry.path)) throw refusals.taken();
        nodeAt(space.nodes, parentOf(found.item.entry.path));
        for (const [key, node] of found.nodes) space.nodes.set(key, node);
        space.trash = space.trash.filter((other) => other !== found);
        note(space, { kind: "created", path: found.item.entry.path });
        return { data: found.item.entry };
      }
      default:
        throw refusals.notHere("do this with files");
    }
  }

  /** Waits for the next change, or until the time is over. */
  function change(space: Workspace, seconds: number, signal: AbortSignal): Promise<void> {
    if (seconds <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        space.waiting.delete(end);
        resolve();
      };
      const timer = setTimeout(end, seconds * 1000);
      space.waiting.add(end);
      signal.addEventListener("abort", end, { once: true });
    });
  }

  function search(space: Workspace, q: string, mode: string): Schemas["SearchPage"] {
    const wanted = q.toLowerCase();
    const matches: Schemas["FileMatch"][] = [];
    for (const [path, { kind, bytes }] of [...space.nodes].sort(([a], [b]) => compareNames(a, b))) {
      if (mode !== "text" && nameOf(path).toLowerCase().includes(wanted)) {
        matches.push({ path, kind: "name", line: null, preview: null });
      }
      if (mode === "name" || kind === "directory") continue;
      const lines = new TextDecoder().decode(bytes).split("\n");
      lines.forEach((preview, index) => {
        if (preview.toLowerCase().includes(wanted)) matches.push({ path, kind: "text", line: index + 1, preview });
      });
    }
    const skipped = { binary: 0, large: 0, deep: 0, crowded: 0 };
    return { matches: matches.slice(0, 100), nextCursor: null, incomplete: false, reason: null, skipped };
  }

  async function snapshots(request: Request, space: Workspace, rest: string[]): Promise<FileAnswer> {
    const [id, what] = rest;
    if (id === undefined && request.method === "GET") {
      return { data: { snapshots: space.snapshots.map(({ snapshot }) => snapshot), nextCursor: null } };
    }
    if (id === undefined) {
      const { name } = (await request.json()) as Schemas["CreateSnapshot"];
      const snapshot = {
        id: crypto.randomUUID(),
        name: name ?? null,
        createdAt: now(),
        createdBy: userId,
        restore: null,
      };
      space.snapshots.unshift({ snapshot, nodes: new Map(space.nodes) });
      return { status: 201, data: snapshot };
    }
    const found = space.snapshots.find(({ snapshot }) => snapshot.id === id);
    if (!found) throw refusals.missing();
    if (what === "diff") return { data: { changes: differences(found.nodes, space.nodes), nextCursor: null } };
    if (what === "restore") {
      space.nodes = new Map(found.nodes);
      found.snapshot = {
        ...found.snapshot,
        restore: { state: "completed", requestedAt: now(), requestedBy: userId },
      };
      note(space, { kind: "changed", path: "/" });
      return { status: 202, data: found.snapshot };
    }
    if (request.method === "DELETE") {
      space.snapshots = space.snapshots.filter((other) => other !== found);
      return { data: {} };
    }
    return { data: found.snapshot };
  }

  return async (request: Request, session: string, rest: string[], query: URLSearchParams): Promise<FileAnswer> => {
    const space = workspaceOf(session);
    const [group, ...more] = rest;
    try {
      if (group === "files") return await files(request, space, more, query);
      if (group === "snapshots") return await snapshots(request, space, more);
      throw refusals.notHere("take files of more than 4 MiB");
    } catch (error) {
      if (error instanceof Refused) return { problem: error.problem };
      throw error;
    }
  };
}

function differences(before: Nodes, after: Nodes): Schemas["Difference"][] {
  const changes: Schemas["Difference"][] = [];
  for (const path of new Set([...before.keys(), ...after.keys()])) {
    const [old, now] = [before.get(path), after.get(path)];
    if (old?.etag !== now?.etag) changes.push({ path, kind: !old ? "created" : !now ? "deleted" : "changed" });
  }
  return changes.sort((a, b) => compareNames(a.path, b.path));
}
