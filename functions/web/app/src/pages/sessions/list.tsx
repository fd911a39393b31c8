import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { Boxes, Plus, Search, SearchX } from "lucide-react";
import { useDeferredValue, useEffect, useRef, useState } from "react";
import { useLocation, useNavigationType, useSearchParams } from "react-router";

import { dataOf } from "../../api/index.ts";
import { shortcutOf, useShortcuts } from "../../app/shortcuts.ts";
import { api, useAuth } from "../../stores/auth-store.ts";
import { Button } from "../../ui/button.tsx";
import { Empty, ErrorNotice, Failure, Loading } from "../../ui/states.tsx";
import { PageHead } from "../page-head.tsx";
import { CreateSession } from "./create.tsx";
import { useDeleted } from "./delete.ts";
import { SessionRow } from "./row.tsx";

const PAGE = 30;
/** A search reads further pages by itself until it has this many results, or has read this many pages. */
const ENOUGH = 10;
const PATIENCE = 5;

function useSessions(q: string) {
  return useInfiniteQuery({
    queryKey: ["sessions", q],
    initialPageParam: "",
    queryFn: ({ pageParam, signal }) =>
      dataOf(
        api.GET("/sessions", {
          params: { query: { limit: PAGE, ...(q && { q }), ...(pageParam && { cursor: pageParam }) } },
          signal,
        }),
      ),
    getNextPageParam: ({ nextCursor }) => nextCursor ?? undefined,
  });
}

export default function Sessions() {
  const [params, setParams] = useSearchParams();
  const q = params.get("q") ?? "";
  const [text, setText] = useState(q);
  const { key } = useLocation();
  const navigation = useNavigationType();
  const shortcuts = useShortcuts((state) => state.on);
  const [creating, setCreating] = useState(false);
  const [renaming, setRenaming] = useState<string | null>(null);
  const canWrite = useAuth((state) => state.tenant?.role !== "viewer");
  const search = useRef<HTMLInputElement>(null);
  const deleted = useDeleted((state) => state.ids);
  const client = useQueryClient();

  useEffect(() => {
    const timer = setTimeout(() => {
      if (text !== q) setParams(text ? { q: text } : {}, { replace: true });
    }, 200);
    return () => clearTimeout(timer);
  }, [text, q, setParams]);

  // The navigation's link to this page clears the search, and Back restores it. Typing only replaces the address.
  useEffect(() => {
    if (navigation !== "REPLACE") setText(q);
  }, [key]);

  useEffect(() => {
    const shortcut = (event: KeyboardEvent) => {
      const pressed = shortcutOf(event);
      if (pressed === "/") {
        event.preventDefault();
        search.current?.focus();
      } else if (pressed === "n" && canWrite) {
        event.preventDefault();
        setCreating(true);
      }
    };
    document.addEventListener("keydown", shortcut);
    return () => document.removeEventListener("keydown", shortcut);
  }, [canWrite]);

  const shown = useDeferredValue(q);
  const { data, error, isPending, refetch, fetchNextPage, hasNextPage, isFetchingNextPage, isFetchNextPageError } =
    useSessions(shown);
  const sessions = data?.pages.flatMap((page) => page.sessions).filter(({ id }) => !deleted.has(id)) ?? [];
  const pages = data?.pages.length ?? 0;
  const readsOn = hasNextPage && !error && shown !== "" && sessions.length < ENOUGH && pages < PATIENCE;
  useEffect(() => {
    if (readsOn && !isFetchingNextPage) void fetchNextPage();
  }, [readsOn, isFetchingNextPage, fetchNextPage]);

  return (
    <>
      <PageHead title="Sessions" lead="Your workspaces, newest first.">
        {canWrite && (
          <Button variant="primary" onClick={() => setCreating(true)} aria-keyshortcuts={shortcuts ? "n" : undefined}>
            <Plus aria-hidden="true" /> New session
          </Button>
        )}
      </PageHead>
      <div className="search">
        <Search className="icon" aria-hidden="true" />
        <input
          ref={search}
          className="input"
          type="search"
          aria-label="Search sessions by name or folder"
          aria-keyshortcuts={shortcuts ? "/" : undefined}
          placeholder="Search by name or folder"
          maxLength={200}
          value={text}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={(event) => event.key === "Escape" && setText("")}
        />
        {shortcuts && <kbd aria-hidden="true">/</kbd>}
      </div>
      <div className="card">
        {isPending ? (
          <Loading rows={5} label="Loading the sessions" />
        ) : error && !data ? (
          <Failure error={error} onRetry={() => void refetch()} />
        ) : sessions.length > 0 ? (
          <ul className="rows" aria-label="Sessions">
            {sessions.map((session) => (
              <SessionRow
                key={session.id}
                session={session}
                renaming={renaming === session.id}
                onRename={(on) => setRenaming(on ? session.id : null)}
                canWrite={canWrite}
              />
            ))}
          </ul>
        ) : readsOn ? (
          <Loading rows={2} label="Searching" />
        ) : shown ? (
          <Empty icon={<SearchX className="icon" aria-hidden="true" />} title={`Nothing matches “${shown}”`}>
            <p>
              {hasNextPage
                ? "The newest sessions were searched so far."
                : "Search for another part of a name or folder."}
            </p>
            <Button onClick={() => setText("")}>Show all sessions</Button>
          </Empty>
        ) : (
          <Empty icon={<Boxes className="icon" aria-hidden="true" />} title="Start your first session">
            <p>A session is a workspace with a name and a folder. Make one for each thing that you work on.</p>
            {canWrite && (
              <Button variant="primary" onClick={() => setCreating(true)}>
                <Plus aria-hidden="true" /> New session
              </Button>
            )}
          </Empty>
        )}
      </div>
      {error && data ? (
        <ErrorNotice error={error} onRetry={() => void (isFetchNextPageError ? fetchNextPage() : refetch())} />
      ) : null}
      {hasNextPage && !readsOn && !error && (
        <div className="more">
          <Button busy={isFetchingNextPage} onClick={() => void fetchNextPage()}>
            {shown ? "Search older sessions" : "Show more"}
          </Button>
        </div>
      )}
      <CreateSession
        open={creating}
        onClose={() => setCreating(false)}
        onCreated={() => void client.invalidateQueries({ queryKey: ["sessions"] })}
      />
    </>
  );
}
