import { useInfiniteQuery } from "@tanstack/react-query";
import { FileText, Folder } from "lucide-react";
import { useId, useState } from "react";

import { useSettled } from "../../app/use-settled.ts";
import { Button } from "../../ui/button.tsx";
import { Empty, ErrorNotice, Failure, Loading } from "../../ui/states.tsx";
import { failed, useWorkbench } from "./context.ts";
import { nameOf, parentOf } from "./paths.ts";

/** Finds files by their names, and lines by their text. */
export function SearchPanel() {
  const bench = useWorkbench();
  const id = useId();
  const [text, setText] = useState("");
  const [mode, setMode] = useState<"all" | "name" | "text">("all");
  // A request for each key would make the server search for words that nobody has finished.
  const q = useSettled(text.trim());
  const { data, error, isFetching, isPending, hasNextPage, fetchNextPage, refetch } = useInfiniteQuery({
    queryKey: ["search", bench.session, q, mode],
    enabled: q !== "",
    initialPageParam: "",
    queryFn: ({ pageParam, signal }) => bench.remote.search(q, mode, pageParam || null, signal),
    getNextPageParam: ({ nextCursor }) => nextCursor ?? undefined,
  });
  const matches = data?.pages.flatMap((page) => page.matches) ?? [];
  const skipped = data?.pages.reduce((sum, { skipped }) => sum + skipped.binary + skipped.large + skipped.deep, 0) ?? 0;
  return (
    <div className="panel">
      <div className="stack tight">
        <div className="field">
          <label htmlFor={`${id}-q`}>Search in names and texts</label>
          <input
            id={`${id}-q`}
            className="input"
            type="search"
            maxLength={200}
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
        </div>
        <div className="field">
          <label htmlFor={`${id}-mode`}>In</label>
          <select
            id={`${id}-mode`}
            className="input"
            value={mode}
            onChange={(event) => setMode(event.target.value as typeof mode)}
          >
            <option value="all">names and texts</option>
            <option value="name">names</option>
            <option value="text">texts</option>
          </select>
        </div>
      </div>
      <p className="sr" role="status">
        {q !== "" && !isFetching && data ? `${matches.length}${hasNextPage ? " or more" : ""} results` : ""}
      </p>
      {q === "" ? null : !data && error ? (
        <Failure error={error} onRetry={() => void refetch()} />
      ) : isPending ? (
        <Loading rows={4} label="Searching" />
      ) : (
        <>
          {matches.length === 0 && !hasNextPage && (
            <Empty title="Nothing found">
              <p>Try other words, or search in names and texts.</p>
            </Empty>
          )}
          <ul className="results">
            {matches.map(({ path, kind, line, preview }) => (
              <li key={`${kind}:${path}:${line ?? ""}`}>
                <button
                  type="button"
                  className="result"
                  onClick={() => void (kind === "name" ? show(path) : bench.open(path, line ?? 1))}
                >
                  <span className="result-name">
                    {kind === "name" ? (
                      <Folder className="icon" aria-hidden="true" />
                    ) : (
                      <FileText className="icon" aria-hidden="true" />
                    )}
                    <strong className="truncate">{nameOf(path)}</strong>
                    <span className="muted truncate">
                      {parentOf(path)}
                      {line !== null && `, line ${line}`}
                    </span>
                  </span>
                  {preview !== null && <code className="truncate">{preview.trim()}</code>}
                </button>
              </li>
            ))}
          </ul>
          {data && error && <ErrorNotice error={error} onRetry={() => void fetchNextPage()} />}
          {hasNextPage && (
            <Button size="small" busy={isFetching} onClick={() => void fetchNextPage()}>
              Search on
            </Button>
          )}
          {skipped > 0 && <p className="muted small">{skipped} files are not text, or are too large to be searched.</p>}
        </>
      )}
    </div>
  );

  /** A name can be that of a folder, which has no text. */
  async function show(path: string): Promise<void> {
    try {
      const { kind } = await bench.remote.stat(path);
      await bench.tree.reveal(path);
      if (kind === "directory") bench.tree.toggle(path, true);
      else bench.open(path);
    } catch (error) {
      failed(`“${nameOf(path)}” was not opened.`, error);
    }
  }
}
