import { FileQuestion, FileText } from "lucide-react";
import { Suspense } from "react";

import { lazyPage } from "../../app/page-boundary.tsx";
import { Button } from "../../ui/button.tsx";
import { Empty, ErrorNotice, Failure, Loading, Notice } from "../../ui/states.tsx";
import { ConflictView } from "./conflict.tsx";
import { useDocuments, useWorkbench } from "./context.ts";
import { type Doc, TooMuchAtOnce } from "./documents.ts";

const TextEditor = lazyPage(() => import("./editor.tsx"));

/** What the middle of the workbench shows. */
export function DocumentView({ canWrite }: { canWrite: boolean }) {
  const bench = useWorkbench();
  const doc = useDocuments((state) => state.docs.find(({ id }) => id === state.active));
  const allError = useDocuments((state) => state.allError);
  if (!doc) {
    return (
      <Empty icon={<FileText className="icon" aria-hidden="true" />} title="No file is open">
        <p>Choose a file in the tree.</p>
      </Empty>
    );
  }
  return (
    <>
      {allError instanceof TooMuchAtOnce ? (
        <Notice tone="bad" title="These are too many changes for one step" role="alert">
          <div>Together they have more than 4 MB. Save the files one by one.</div>
        </Notice>
      ) : (
        allError !== null && <ErrorNotice error={allError} onRetry={() => void bench.documents.saveAll()} />
      )}
      <Current doc={doc} canWrite={canWrite} />
    </>
  );
}

function Current({ doc, canWrite }: { doc: Doc; canWrite: boolean }) {
  const bench = useWorkbench();
  switch (doc.state) {
    case "waiting":
    case "loading":
      return <Loading rows={8} label="Loading the file" />;
    case "failed":
      return <Failure error={doc.error} onRetry={() => void bench.documents.load(doc.id)} />;
    case "binary":
    case "large":
      return (
        <Empty
          icon={<FileQuestion className="icon" aria-hidden="true" />}
          title={doc.state === "large" ? "This file is too large for the editor" : "This file is not text"}
        >
          <p>{doc.state === "large" ? "The editor shows files of up to 2 MiB." : "The editor shows text in UTF-8."}</p>
          <Button onClick={() => void bench.download(doc.path)}>Download</Button>
        </Empty>
      );
    case "ready":
      return (
        <>
          {doc.conflict && <ConflictView doc={doc} conflict={doc.conflict} />}
          {!doc.conflict && doc.stale && <StaleNotice doc={doc} />}
          {doc.saveError !== null && (
            <ErrorNotice error={doc.saveError} onRetry={() => void bench.documents.save(doc.id)} />
          )}
          {!bench.drafts.survives && (
            <Notice tone="warn" title="The browser does not keep your changes">
              <div>Its storage is blocked or full. Save before you leave the page.</div>
            </Notice>
          )}
          <Suspense fallback={<Loading rows={8} label="Loading the editor" />}>
            <TextEditor doc={doc} readOnly={!canWrite} />
          </Suspense>
        </>
      );
  }
}

function StaleNotice({ doc }: { doc: Doc }) {
  const bench = useWorkbench();
  return (
    <Notice
      tone="warn"
      title={doc.stale === "deleted" ? "This file was deleted" : "Somebody else has changed this file"}
    >
      <div className="row">
        <span>
          {doc.stale === "deleted"
            ? "Saving creates it again."
            : "Your changes are still here. Saving overwrites nothing."}
        </span>
        {doc.stale === "changed" && (
          <Button size="small" onClick={() => void bench.documents.review(doc.id)}>
            Compare
          </Button>
        )}
      </div>
    </Notice>
  );
}
