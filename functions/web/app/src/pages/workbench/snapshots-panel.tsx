import { useInfiniteQuery } from "@tanstack/react-query";
import { Camera } from "lucide-react";
import { useState } from "react";

import { sleep } from "../../api/retry.ts";
import { useCreateAttempts, useSubmit } from "../../app/use-submit.ts";
import { Button } from "../../ui/button.tsx";
import { Confirm } from "../../ui/confirm.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { TextField } from "../../ui/field.tsx";
import { Empty, ErrorNotice, Failure, Loading } from "../../ui/states.tsx";
import { Since } from "../../ui/time.tsx";
import { toast } from "../../ui/toast.tsx";
import { failed, useWorkbench } from "./context.ts";
import type { Snapshot } from "./remote.ts";

type Asked = { kind: "difference" | "restore" | "delete"; snapshot: Snapshot };

const nameOf = (snapshot: Snapshot): string => snapshot.name ?? "Snapshot without a name";

/** Kept states of all files of the session. */
export function SnapshotsPanel({ canWrite }: { canWrite: boolean }) {
  const bench = useWorkbench();
  const [asked, setAsked] = useState<Asked | null>(null);
  const [name, setName] = useState("");
  const attempts = useCreateAttempts();
  const { data, error, isPending, isFetching, hasNextPage, fetchNextPage, refetch } = useInfiniteQuery({
    queryKey: ["snapshots", bench.session],
    initialPageParam: "",
    queryFn: ({ pageParam }) => bench.remote.snapshots(pageParam || null),
    getNextPageParam: ({ nextCursor }) => nextCursor ?? undefined,
  });
  // Each snapshot is a create of its own, also if it has the name of the one before.
  const [count, setCount] = useState(0);
  const create = useSubmit(
    () => {
      const { key } = attempts.of({ name, count });
      return bench.remote.createSnapshot(name.trim() ? { name: name.trim() } : {}, key);
    },
    {
      fields: { "/name": "The name" },
      onDone: () => {
        setName("");
        setCount(count + 1);
        toast("Took a snapshot.");
        void refetch();
      },
    },
  );
  if (isPending) return <Loading rows={4} label="Loading the snapshots" />;
  if (!data) return <Failure error={error} onRetry={() => void refetch()} />;
  const snapshots = data.pages.flatMap((page) => page.snapshots);
  const close = () => setAsked(null);
  return (
    <div className="panel">
      {canWrite && (
        <form className="stack tight" ref={create.form} onSubmit={create.submit} noValidate>
          <TextField
            label="Name of a new snapshot"
            hint="Optional. It keeps all files as they are saved now."
            value={name}
            maxLength={200}
            error={create.errorOf("/name")}
            onChange={(event) => setName(event.target.value)}
          />
          <ErrorNotice error={create.error} />
          <Button type="submit" size="small" busy={create.busy}>
            <Camera aria-hidden="true" /> Take a snapshot
          </Button>
        </form>
      )}
      {snapshots.length === 0 ? (
        <Empty icon={<Camera className="icon" aria-hidden="true" />} title="No snapshots yet">
          <p>A snapshot brings all files back to one moment.</p>
        </Empty>
      ) : (
        <ul className="results">
          {snapshots.map((snapshot) => (
            <li className="item" key={snapshot.id}>
              <div className="item-text">
                <strong className="truncate">{nameOf(snapshot)}</strong>
                <span className="muted small">
                  <Since time={snapshot.createdAt} />
                  {snapshot.restore?.state === "preparing" && ", is being restored"}
                  {snapshot.restore?.state === "failed" && ", the restore failed: a quota was used up"}
                </span>
              </div>
              <div className="row">
                <Button size="small" onClick={() => setAsked({ kind: "difference", snapshot })}>
                  Compare <span className="sr">{nameOf(snapshot)}</span>
                </Button>
                {canWrite && (
                  <>
                    <Button size="small" onClick={() => setAsked({ kind: "restore", snapshot })}>
                      Restore <span className="sr">{nameOf(snapshot)}</span>
                    </Button>
                    <Button size="small" variant="warning" onClick={() => setAsked({ kind: "delete", snapshot })}>
                      Delete <span className="sr">{nameOf(snapshot)}</span>
                    </Button>
                  </>
                )}
              </div>
            </li>
          ))}
        </ul>
      )}
      <ErrorNotice error={error} onRetry={() => void refetch()} />
      {hasNextPage && (
        <Button size="small" busy={isFetching} onClick={() => void fetchNextPage()}>
          Show more
        </Button>
      )}
      {asked?.kind === "difference" && <Difference snapshot={asked.snapshot} onClose={close} />}
      {asked?.kind === "restore" && <Restore snapshot={asked.snapshot} onClose={close} onDone={() => void refetch()} />}
      {asked?.kind === "delete" && <Delete snapshot={asked.snapshot} onClose={close} onDone={() => void refetch()} />}
    </div>
  );
}

const SIGNS = { created: "added", changed: "changed", deleted: "deleted" } as const;

function Difference({ snapshot, onClose }: { snapshot: Snapshot; onClose: () => void }) {
  const bench = useWorkbench();
  const { data, error, isPending, isFetching, hasNextPage, fetchNextPage, refetch } = useInfiniteQuery({
    queryKey: ["difference", bench.session, snapshot.id],
    staleTime: 0,
    initialPageParam: "",
    queryFn: ({ pageParam }) => bench.remote.difference(snapshot.id, pageParam || null),
    getNextPageParam: ({ nextCursor }) => nextCursor ?? undefined,
  });
  const changes = data?.pages.flatMap((page) => page.changes) ?? [];
  return (
    <Dialog
      open
      onClose={onClose}
      title={`Since “${nameOf(snapshot)}”`}
      description="What is different in the files now."
    >
      {isPending ? (
        <Loading rows={3} label="Comparing" />
      ) : !data ? (
        <Failure error={error} onRetry={() => void refetch()} />
      ) : (
        <>
          {changes.length === 0 && !hasNextPage && <p>Nothing has changed since.</p>}
          <ul className="results">
            {changes.map(({ path, kind }) => (
              <li className="row between" key={path}>
                <code className="truncate">{path}</code>
                <span className="badge" data-tone={{ created: "good", changed: "warn", deleted: "bad" }[kind]}>
                  {SIGNS[kind]}
                </span>
              </li>
            ))}
          </ul>
          <ErrorNotice error={error} onRetry={() => void fetchNextPage()} />
          {hasNextPage && (
            <Button size="small" busy={isFetching} onClick={() => void fetchNextPage()}>
              Show more
            </Button>
          )}
        </>
      )}
    </Dialog>
  );
}

interface ActProps {
  snapshot: Snapshot;
  onClose: () => void;
  onDone: () => void;
}

function Restore({ snapshot, onClose, onDone }: ActProps) {
  const bench = useWorkbench();
  const { busy, error, submit } = useSubmit(() => bench.remote.restoreSnapshot(snapshot.id), {
    onDone: (first) => {
      onClose();
      onDone();
      void finish(first);
    },
  });
  /** A large restore goes on after the response. */
  const finish = async (first: Snapshot) => {
    try {
      let state = first.restore?.state;
      for (let wait = 0.5; state === "preparing"; wait = Math.min(5, wait * 1.5)) {
        await sleep(wait);
        state = (await bench.remote.snapshot(snapshot.id)).restore?.state;
      }
      if (state === "failed") toast("The snapshot was not restored: its files exceed a quota.", { tone: "bad" });
      else toast(`Restored “${nameOf(snapshot)}”. What was there before is in the trash.`);
      void bench.tree.refreshAll();
      bench.documents.checkAll();
      bench.noted();
      onDone();
    } catch (error) {
      failed("It is unknown whether the snapshot was restored.", error, () => void finish(first));
    }
  };
  return (
    <Confirm
      onClose={onClose}
      title={`Restore “${nameOf(snapshot)}”?`}
      description="All files become those of the snapshot. What is there now goes to the trash as one folder."
      action="Restore the files"
      busy={busy}
      error={error}
      onConfirm={() => void submit()}
    />
  );
}

function Delete({ snapshot, onClose, onDone }: ActProps) {
  const bench = useWorkbench();
  const { busy, error, submit } = useSubmit(() => bench.remote.deleteSnapshot(snapshot.id), {
    onDone: () => {
      onClose();
      toast(`Deleted the snapshot “${nameOf(snapshot)}”.`);
      onDone();
    },
  });
  return (
    <Confirm
      onClose={onClose}
      title={`Delete “${nameOf(snapshot)}”?`}
      description="The files of the session stay as they are. The snapshot cannot be restored afterwards."
      action="Delete the snapshot"
      destructive
      busy={busy}
      error={error}
      onConfirm={() => void submit()}
    />
  );
}
