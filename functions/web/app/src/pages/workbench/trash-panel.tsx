import { useInfiniteQuery } from "@tanstack/react-query";
import { Trash2, Undo2 } from "lucide-react";
import { useEffect, useState } from "react";

import { useSubmit } from "../../app/use-submit.ts";
import { Button } from "../../ui/button.tsx";
import { Confirm } from "../../ui/confirm.tsx";
import { Empty, ErrorNotice, Failure, Loading } from "../../ui/states.tsx";
import { Since, When } from "../../ui/time.tsx";
import { toast } from "../../ui/toast.tsx";
import { failed, useBench, useWorkbench } from "./context.ts";
import { nameOf, parentOf } from "./paths.ts";

/** What was deleted, until it is removed for good. */
export function TrashPanel({ canWrite }: { canWrite: boolean }) {
  const bench = useWorkbench();
  const changes = useBench((state) => state.changes);
  const [asking, setAsking] = useState(false);
  const { data, error, isPending, isFetching, hasNextPage, fetchNextPage, refetch } = useInfiniteQuery({
    queryKey: ["trash", bench.session],
    initialPageParam: "",
    queryFn: ({ pageParam }) => bench.remote.trash(pageParam || null),
    getNextPageParam: ({ nextCursor }) => nextCursor ?? undefined,
  });
  useEffect(() => {
    if (changes > 0) void refetch();
  }, [changes, refetch]);
  const empty = useSubmit(() => bench.remote.emptyTrash(), {
    onDone: () => {
      setAsking(false);
      toast("The trash is empty.");
      bench.noted();
    },
  });
  if (isPending) return <Loading rows={4} label="Loading the trash" />;
  if (!data) return <Failure error={error} onRetry={() => void refetch()} />;
  const items = data.pages.flatMap((page) => page.items);
  const restore = (item: string, path: string) =>
    void bench.restore(item).catch((error: unknown) => failed(`“${nameOf(path)}” did not come back.`, error));
  return (
    <div className="panel">
      {items.length === 0 ? (
        <Empty icon={<Trash2 className="icon" aria-hidden="true" />} title="The trash is empty">
          <p>Deleted files stay here for a while.</p>
        </Empty>
      ) : (
        <ul className="results">
          {items.map(({ id, entry, deletedAt, expiresAt }) => (
            <li className="item" key={id}>
              <div className="item-text">
                <strong className="truncate">{entry.name}</strong>
                <span className="muted small truncate">
                  {parentOf(entry.path)}, <Since time={deletedAt} />
                </span>
                <span className="muted small">
                  kept until <When time={expiresAt} />
                </span>
              </div>
              {canWrite && (
                <Button size="small" onClick={() => restore(id, entry.path)}>
                  <Undo2 aria-hidden="true" /> Restore <span className="sr">{entry.name}</span>
                </Button>
              )}
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
      {canWrite && items.length > 0 && (
        <Button size="small" variant="warning" onClick={() => setAsking(true)}>
          Empty the trash
        </Button>
      )}
      <Confirm
        open={asking}
        onClose={() => setAsking(false)}
        title="Empty the trash?"
        description="What is in it cannot be restored afterwards. Snapshots keep what they contain."
        action="Empty the trash"
        destructive
        busy={empty.busy}
        error={empty.error}
        onConfirm={() => void empty.submit()}
      />
    </div>
  );
}
