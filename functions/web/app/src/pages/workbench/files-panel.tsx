import { FilePlus, FolderPlus, MoreVertical, RefreshCw, Upload as UploadIcon } from "lucide-react";
import { type ChangeEvent, useRef } from "react";

import { Button } from "../../ui/button.tsx";
import { Menu, type MenuEntry } from "../../ui/dialog.tsx";
import { useTree, useWorkbench } from "./context.ts";
import { nameOf, parentOf } from "./paths.ts";
import { FileTree } from "./tree.tsx";
import { directoryOf } from "./tree-state.ts";
import { UploadList } from "./upload-list.tsx";

/** The tree with what can be done in it. */
export function FilesPanel({ canWrite }: { canWrite: boolean }) {
  const bench = useWorkbench();
  const active = useTree((state) => state.active);
  const kind = useTree(({ tree, active }) =>
    active === null ? undefined : directoryOf(tree, parentOf(active)).entries.find(({ path }) => path === active)?.kind,
  );
  const input = useRef<HTMLInputElement>(null);
  const directory = active === null ? "/" : kind === "directory" ? active : parentOf(active);
  const pick = (event: ChangeEvent<HTMLInputElement>) => {
    bench.upload(
      directory,
      [...(event.target.files ?? [])].map((file) => ({ path: file.name, file })),
    );
    event.target.value = "";
  };
  const entries: MenuEntry[] = active === null ? [] : entriesOf(active, kind);
  function entriesOf(path: string, kind: string | undefined): MenuEntry[] {
    const read: MenuEntry[] = kind === "file" ? [{ label: "Download", onSelect: () => void bench.download(path) }] : [];
    if (!canWrite) return read;
    return [
      ...read,
      { label: "Rename…", onSelect: () => bench.ask({ kind: "rename", path }) },
      { label: "Move…", onSelect: () => bench.ask({ kind: "move", path }) },
      { label: "Delete", tone: "bad", line: true, onSelect: () => void bench.remove(path) },
    ];
  }
  return (
    <>
      <div className="bench-tools">
        {canWrite && (
          <>
            <Button
              icon
              variant="quiet"
              aria-label="New file"
              title="New file"
              onClick={() => bench.ask({ kind: "file", directory })}
            >
              <FilePlus aria-hidden="true" />
            </Button>
            <Button
              icon
              variant="quiet"
              aria-label="New folder"
              title="New folder"
              onClick={() => bench.ask({ kind: "directory", directory })}
            >
              <FolderPlus aria-hidden="true" />
            </Button>
            <Button
              icon
              variant="quiet"
              aria-label="Upload files"
              title="Upload files"
              onClick={() => input.current?.click()}
            >
              <UploadIcon aria-hidden="true" />
            </Button>
            <input ref={input} type="file" multiple hidden aria-label="Files to upload" onChange={pick} />
          </>
        )}
        <Button
          icon
          variant="quiet"
          aria-label="Read the files again"
          title="Read the files again"
          onClick={() => void bench.tree.refreshAll()}
        >
          <RefreshCw aria-hidden="true" />
        </Button>
        {active !== null && entries.length > 0 && (
          <Menu
            trigger={
              <Button icon variant="quiet" aria-label={`Actions for ${nameOf(active)}`}>
                <MoreVertical aria-hidden="true" />
              </Button>
            }
            entries={entries}
          />
        )}
      </div>
      <FileTree canWrite={canWrite} />
      <UploadList />
    </>
  );
}
