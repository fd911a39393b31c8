import { defaultRangeExtractor, useVirtualizer } from "@tanstack/react-virtual";
import { ChevronRight, FileText, Folder, FolderOpen } from "lucide-react";
import { type DragEvent, type KeyboardEvent, useEffect, useMemo, useRef, useState } from "react";

import { Button } from "../../ui/button.tsx";
import { Empty, explain, Failure, Loading } from "../../ui/states.tsx";
import { failed, useDocuments, useTree, useWorkbench } from "./context.ts";
import { isDirty } from "./documents.ts";
import { isWithin, parentOf } from "./paths.ts";
import { directoryOf, type EntryRow, type Row, rowsOf } from "./tree-state.ts";
import { pickedFrom } from "./uploads.ts";

const ROW = 30;
const MOVED = "application/x-coditect-path";
const EMPTY = new Set<string>();

/** The file tree, by the WAI-ARIA pattern. Only visible rows are in the page. */
export function FileTree({ canWrite }: { canWrite: boolean }) {
  const bench = useWorkbench();
  const tree = useTree((state) => state.tree);
  const active = useTree((state) => state.active);
  const dirtyPaths = useDocuments((state) => state.docs);
  const dirty = useMemo(() => new Set(dirtyPaths.filter(isDirty).map(({ path }) => path)), [dirtyPaths]);
  const shown = useDocuments((state) => state.docs.find(({ id }) => id === state.active)?.path);
  const rows = useMemo(() => rowsOf(tree), [tree]);
  const scroller = useRef<HTMLDivElement>(null);
  const typed = useRef({ text: "", at: 0 });
  const [cut, setCut] = useState<string | null>(null);
  const [target, setTarget] = useState<string | null>(null);
  const found = useMemo(() => rows.findIndex((row) => row.type === "entry" && row.path === active), [rows, active]);
  const current = Math.max(0, found);
  const root = directoryOf(tree, "/");

  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    overscan: 12,
    getItemKey: (index) => keyOf(rows[index]),
    // The row of the keyboard stays in the page, because the tree refers to it.
    rangeExtractor: (range) => {
      const visible = defaultRangeExtractor(range);
      return visible.includes(current) || current >= rows.length
        ? visible
        : [...visible, current].sort((a, b) => a - b);
    },
  });
  const items = virtual.getVirtualItems();

  // What comes into view is loaded.
  const missing = items
    .map(({ index }) => rows[index])
    .filter((row) => row?.type === "more" && !row.error)
    .map((row) => row?.path)
    .join("\n");
  useEffect(() => {
    for (const path of missing ? missing.split("\n") : []) void bench.tree.loadMore(path);
  }, [missing, bench, rows.length]);

  useEffect(() => {
    if (found >= 0) virtual.scrollToIndex(found);
    // Only another row moves the view, not what is loaded above it.
  }, [active]);

  const go = (index: number) => {
    const row = rows[Math.min(rows.length - 1, Math.max(0, index))];
    if (row?.type === "entry") bench.tree.activate(row.path);
    else virtual.scrollToIndex(Math.min(rows.length - 1, index));
  };
  const act = (row: EntryRow) => {
    if (row.expanded === undefined) bench.open(row.path);
    else bench.tree.toggle(row.path, !row.expanded);
  };
  const typeAhead = (key: string) => {
    const now = performance.now();
    const fresh = now - typed.current.at > 700;
    typed.current = { text: (fresh ? "" : typed.current.text) + key.toLowerCase(), at: now };
    const { text } = typed.current;
    const start = text.length > 1 ? current : current + 1;
    for (let step = 0; step < rows.length; step++) {
      const row = rows[(start + step) % rows.length];
      if (row?.type === "entry" && row.entry.name.toLowerCase().startsWith(text)) return bench.tree.activate(row.path);
    }
  };
  const paste = (row: Row | undefined) => {
    if (!cut || !row) return;
    setCut(null);
    void bench.drop(cut, row.type === "entry" ? directoryFor(row) : row.path);
  };
  const press = (event: KeyboardEvent) => {
    const row = rows[current];
    const command = event.ctrlKey || event.metaKey;
    const entry = row?.type === "entry" ? row : undefined;
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 300) / ROW) - 1);
    const keys: Record<string, () => void> = {
      ArrowDown: () => go(found < 0 ? 0 : current + 1),
      ArrowUp: () => go(current - 1),
      PageDown: () => go(current + page),
      PageUp: () => go(current - page),
      Home: () => go(0),
      End: () => go(rows.length - 1),
      ArrowRight: () => {
        if (entry?.expanded === false) bench.tree.toggle(entry.path, true);
        else if (entry?.expanded) go(current + 1);
      },
      ArrowLeft: () => {
        if (entry?.expanded) bench.tree.toggle(entry.path, false);
        else if (entry && entry.level > 1) bench.tree.activate(parentOf(entry.path));
      },
      Enter: () => entry && act(entry),
      " ": () => entry && act(entry),
      F2: () => entry && canWrite && bench.ask({ kind: "rename", path: entry.path }),
      Delete: () => entry && canWrite && void bench.remove(entry.path),
    };
    if (command && canWrite && event.key === "x" && entry) setCut(entry.path);
    else if (command && canWrite && event.key === "v") paste(row);
    else if (event.key === "Escape" && cut) setCut(null);
    else if (command || event.altKey) return;
    else if (keys[event.key]) keys[event.key]?.();
    else if (event.key.length === 1) typeAhead(event.key);
    else return;
    event.preventDefault();
  };

  const directoryAt = (event: DragEvent): string => {
    const index = (event.target as Element).closest<HTMLElement>("[data-index]")?.dataset.index;
    const row = index === undefined ? undefined : rows[Number(index)];
    return row?.type === "entry" ? directoryFor(row) : (row?.path ?? "/");
  };
  const over = (event: DragEvent) => {
    if (!canWrite || !event.dataTransfer.types.some((type) => type === "Files" || type === MOVED)) return;
    event.preventDefault();
    const moves = event.dataTransfer.types.includes(MOVED);
    event.dataTransfer.dropEffect = moves ? "move" : "copy";
    setTarget(directoryAt(event));
  };
  const drop = (event: DragEvent) => {
    const directory = directoryAt(event);
    setTarget(null);
    if (!canWrite) return;
    event.preventDefault();
    const from = event.dataTransfer.getData(MOVED);
    if (from) void bench.drop(from, directory);
    else {
      void pickedFrom(event.dataTransfer).then(
        (picked) => bench.upload(directory, picked),
        (error: unknown) => failed("These files cannot be read.", error),
      );
    }
  };

  const empty = !root.fresh && root.entries.length === 0 && root.nextCursor === null;
  if (root.fresh && root.error) {
    return <Failure error={root.error} onRetry={() => void bench.tree.loadMore("/")} />;
  }
  if (root.fresh) return <Loading rows={6} label="Loading the files" />;
  return (
    <div
      className="tree-drop"
      data-target={target === "/" ? "" : undefined}
      onDragOver={over}
      onDragLeave={(event) => !event.currentTarget.contains(event.relatedTarget as Node | null) && setTarget(null)}
      onDrop={drop}
    >
      {empty ? (
        <Empty title="No files yet">
          <p>{canWrite ? "Create a file, or drop files here." : "Nobody has created a file yet."}</p>
        </Empty>
      ) : (
        <div
          className="tree"
          ref={scroller}
          role="tree"
          aria-label="Files"
          tabIndex={0}
          aria-activedescendant={rows[current]?.type === "entry" ? idOf(rows[current]) : undefined}
          onKeyDown={press}
          onFocus={() => found < 0 && go(0)}
        >
          <div role="presentation" className="tree-rows" style={{ height: virtual.getTotalSize() }}>
            {items.map(({ index, key, start }) => {
              const row = rows[index];
              if (!row) return null;
              return (
                <TreeRow
                  key={key}
                  row={row}
                  index={index}
                  start={start}
                  active={index === found}
                  shown={row.path === shown}
                  dirty={(row.type === "entry" && row.expanded !== undefined ? EMPTY : dirty).has(row.path)}
                  cut={cut !== null && isWithin(row.path, cut)}
                  target={target !== null && target !== "/" && row.path === target && row.type === "entry"}
                  draggable={canWrite}
                  onPick={(entry) => {
                    bench.tree.activate(entry.path);
                    act(entry);
                  }}
                />
              );
            })}
          </div>
        </div>
      )}
    </div>
  );
}

const keyOf = (row: Row | undefined): string => (row ? `${row.type}:${row.path}` : "");
const idOf = (row: Row | undefined): string => `tree-${encodeURIComponent(keyOf(row))}`;

/** The directory into which something goes that is dropped on the row. */
export const directoryFor = (row: EntryRow): string => (row.expanded === undefined ? parentOf(row.path) : row.path);

interface RowProps {
  row: Row;
  index: number;
  start: number;
  active: boolean;
  shown: boolean;
  dirty: boolean;
  cut: boolean;
  target: boolean;
  draggable: boolean;
  onPick: (row: EntryRow) => void;
}

function TreeRow({ row, index, start, active, shown, dirty, cut, target, draggable, onPick }: RowProps) {
  const bench = useWorkbench();
  const style = { transform: `translateY(${start}px)`, paddingLeft: `${(row.level - 1) * 0.9 + 0.35}rem` };
  if (row.type === "more") {
    return (
      <div className="tree-row muted" role="treeitem" aria-level={row.level} data-index={index} style={style}>
        {row.error ? (
          <>
            <span className="truncate">{explain(row.error).title}.</span>
            <Button size="small" variant="quiet" onClick={() => void bench.tree.loadMore(row.path)}>
              Try again
            </Button>
          </>
        ) : (
          <>
            <span className="spinner" aria-hidden="true" /> Loading…
          </>
        )}
      </div>
    );
  }
  const { entry, expanded } = row;
  const Icon = expanded === undefined ? FileText : expanded ? FolderOpen : Folder;
  return (
    <div
      className="tree-row"
      id={idOf(row)}
      role="treeitem"
      aria-level={row.level}
      aria-posinset={row.position}
      aria-setsize={row.siblings}
      aria-expanded={expanded}
      aria-selected={active}
      aria-label={dirty ? `${entry.name}, unsaved` : undefined}
      data-index={index}
      data-active={active ? "" : undefined}
      data-shown={shown ? "" : undefined}
      data-cut={cut ? "" : undefined}
      data-target={target ? "" : undefined}
      style={style}
      draggable={draggable}
      title={entry.path}
      onDragStart={(event) => {
        event.dataTransfer.setData(MOVED, entry.path);
        event.dataTransfer.effectAllowed = "move";
      }}
      onClick={() => onPick(row)}
    >
      <ChevronRight
        className="icon chevron"
        data-kind={entry.kind}
        data-open={expanded ? "" : undefined}
        aria-hidden="true"
      />
      <Icon className="icon" aria-hidden="true" />
      <span className="truncate">{entry.name}</span>
      {dirty && <span className="dirty" />}
    </div>
  );
}
