import "../../styles/workbench.css";

import { PanelLeft, X } from "lucide-react";
import { Dialog as Drawer, Tabs } from "radix-ui";
import { type ReactNode, useEffect, useState, useSyncExternalStore } from "react";

import { api, authStore, useAuth } from "../../stores/auth-store.ts";
import { tabStore } from "../../stores/storage.ts";
import { Button } from "../../ui/button.tsx";
import { duration, explain } from "../../ui/states.tsx";
import { useBench, useDocuments, useWorkbench, Workbench, WorkbenchContext } from "./context.ts";
import { DocumentView } from "./document-view.tsx";
import { FilesPanel } from "./files-panel.tsx";
import { Questions } from "./questions.tsx";
import { SearchPanel } from "./search-panel.tsx";
import { SnapshotsPanel } from "./snapshots-panel.tsx";
import { OpenFiles } from "./tabs.tsx";
import { TrashPanel } from "./trash-panel.tsx";

/** The files of a session: the tree, the editor, and what belongs to them. */
export default function WorkbenchView({ session }: { session: string }) {
  const canWrite = useAuth((state) => state.tenant?.role !== "viewer");
  const [bench] = useState(() => new Workbench(api, session, authStore.getState().user?.id ?? "", tabStore));
  useEffect(() => bench.start(), [bench]);
  return (
    <WorkbenchContext value={bench}>
      <section className="workbench card" aria-label="Files of the session">
        <Side canWrite={canWrite} />
        <div className="bench-main">
          <OpenFiles canWrite={canWrite} />
          <div className="bench-document">
            <DocumentView canWrite={canWrite} />
          </div>
          <Status />
        </div>
      </section>
      <Questions />
    </WorkbenchContext>
  );
}

const NARROW = "(max-width: 759px)";

function useNarrow(): boolean {
  return useSyncExternalStore(
    (onChange) => {
      const query = matchMedia(NARROW);
      query.addEventListener("change", onChange);
      return () => query.removeEventListener("change", onChange);
    },
    () => matchMedia(NARROW).matches,
  );
}

/** The panels beside the editor; on a narrow screen, in a drawer. */
function Side({ canWrite }: { canWrite: boolean }) {
  const narrow = useNarrow();
  const [open, setOpen] = useState(false);
  const active = useDocuments((state) => state.active);
  // The file that was chosen is behind the drawer.
  useEffect(() => setOpen(false), [active]);
  if (!narrow) {
    return (
      <aside className="bench-side" aria-label="Files and panels">
        <Panels canWrite={canWrite} />
      </aside>
    );
  }
  return (
    <Drawer.Root open={open} onOpenChange={setOpen}>
      <Drawer.Trigger asChild>
        <Button className="bench-open" size="small">
          <PanelLeft aria-hidden="true" /> Files, search, snapshots and trash
        </Button>
      </Drawer.Trigger>
      <Drawer.Portal>
        <Drawer.Overlay className="scrim" />
        <Drawer.Content className="drawer" aria-describedby={undefined}>
          <div className="row between">
            <Drawer.Title asChild>
              <h2>Files</h2>
            </Drawer.Title>
            <Drawer.Close asChild>
              <Button icon variant="quiet" aria-label="Close the files">
                <X aria-hidden="true" />
              </Button>
            </Drawer.Close>
          </div>
          <Panels canWrite={canWrite} />
        </Drawer.Content>
      </Drawer.Portal>
    </Drawer.Root>
  );
}

function Panels({ canWrite }: { canWrite: boolean }) {
  const panels: [value: string, label: string, content: ReactNode][] = [
    ["files", "Files", <FilesPanel canWrite={canWrite} />],
    ["search", "Search", <SearchPanel />],
    ["snapshots", "Snapshots", <SnapshotsPanel canWrite={canWrite} />],
    ["trash", "Trash", <TrashPanel canWrite={canWrite} />],
  ];
  return (
    <Tabs.Root className="panels" defaultValue="files">
      <Tabs.List className="segments" aria-label="Panels">
        {panels.map(([value, label]) => (
          <Tabs.Trigger key={value} value={value}>
            {label}
          </Tabs.Trigger>
        ))}
      </Tabs.List>
      {panels.map(([value, , content]) => (
        <Tabs.Content className="panel-content" key={value} value={value}>
          {content}
        </Tabs.Content>
      ))}
    </Tabs.Root>
  );
}

/** Whether the page follows the changes of others, and where the active file is. */
function Status() {
  const bench = useWorkbench();
  const feed = useBench((state) => state.feed);
  const doc = useDocuments((state) => state.docs.find(({ id }) => id === state.active));
  const demo = useAuth((state) => state.demo);
  const text =
    feed.state === "live"
      ? demo
        ? "Demo files in this tab"
        : "Live"
      : feed.state === "connecting"
        ? "Connecting"
        : feed.state === "waiting"
          ? `${explain(feed.error).title}. Next attempt in ${duration(Math.ceil(feed.seconds))}.`
          : `No live updates. ${explain(feed.error).title}.`;
  return (
    <footer className="bench-status small muted">
      <span className="feed" data-state={feed.state} role="status">
        {text}
      </span>
      {feed.state === "ended" && (
        <Button size="small" variant="quiet" onClick={() => void bench.tree.refreshAll()}>
          Read the files again
        </Button>
      )}
      {doc && <span className="truncate">{doc.path}</span>}
    </footer>
  );
}
