import { Save, SaveAll, X } from "lucide-react";
import { useEffect, useRef } from "react";

import { Button } from "../../ui/button.tsx";
import { useDocuments, useWorkbench } from "./context.ts";
import { type Doc, isDirty } from "./documents.ts";
import { nameOf } from "./paths.ts";

/** The open files. They are a list of buttons: a tab of the ARIA pattern could not have a button that closes it. */
export function OpenFiles({ canWrite }: { canWrite: boolean }) {
  const bench = useWorkbench();
  const docs = useDocuments((state) => state.docs);
  const active = useDocuments((state) => state.active);
  const savingAll = useDocuments((state) => state.savingAll);
  const list = useRef<HTMLUListElement>(null);
  const current = docs.find(({ id }) => id === active);
  const changed = docs.filter(isDirty).length;
  useEffect(() => {
    // Some browsers return a promise, which is no clean-up.
    void list.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  }, [active]);
  const close = (doc: Doc) =>
    isDirty(doc) ? bench.ask({ kind: "close", doc: doc.id }) : bench.documents.close(doc.id);
  return (
    <div className="open-files">
      <ul ref={list} aria-label="Open files">
        {docs.map((doc) => {
          const name = nameOf(doc.path);
          const mark = doc.conflict || doc.stale ? "conflict" : isDirty(doc) ? "dirty" : undefined;
          return (
            <li key={doc.id} data-active={doc.id === active ? "" : undefined}>
              <button
                type="button"
                className="open-file"
                title={doc.path}
                aria-current={doc.id === active ? "true" : undefined}
                onClick={() => bench.documents.activate(doc.id)}
                onAuxClick={(event) => event.button === 1 && close(doc)}
              >
                <span className="truncate">{name}</span>
                {mark && (
                  <span className="dirty" data-tone={mark}>
                    <span className="sr">, {mark === "dirty" ? "unsaved" : "changed elsewhere"}</span>
                  </span>
                )}
              </button>
              <button type="button" className="open-file-close" aria-label={`Close ${name}`} onClick={() => close(doc)}>
                <X className="icon" aria-hidden="true" />
              </button>
            </li>
          );
        })}
      </ul>
      {canWrite && current && (
        <div className="row">
          <Button
            size="small"
            busy={current.saving}
            disabled={!isDirty(current) || !!current.conflict}
            onClick={() => void bench.documents.save(current.id)}
          >
            <Save aria-hidden="true" /> Save
          </Button>
          {changed > 1 && (
            <Button size="small" busy={savingAll} onClick={() => void bench.documents.saveAll()}>
              <SaveAll aria-hidden="true" /> Save all {changed}
            </Button>
          )}
        </div>
      )}
    </div>
  );
}
