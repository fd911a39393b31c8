import { useMemo } from "react";

import { Button } from "../../ui/button.tsx";
import { Notice } from "../../ui/states.tsx";
import { toast } from "../../ui/toast.tsx";
import { useWorkbench } from "./context.ts";
import type { Doc, Theirs } from "./documents.ts";
import { merge3 } from "./merge.ts";

/** Longer texts are cut in this view; the decision is about the whole. */
const SHOWN = 40_000;

/** Both sides have changed a file: the version before, mine, theirs, and the decision. */
export function ConflictView({ doc, conflict }: { doc: Doc; conflict: Theirs }) {
  const bench = useWorkbench();
  const theirs = conflict.kind === "text" ? conflict.text : null;
  const conflicts = useMemo(
    () => (theirs === null ? 0 : merge3(doc.base, doc.text, theirs).conflicts),
    [doc.base, doc.text, theirs],
  );
  const decide = async (choice: "mine" | "theirs" | "merge") => {
    const left = await bench.documents.resolve(doc.id, choice);
    if (left > 0) toast(`Both changed the same lines in ${places(left)}. They are marked with <<<<<<< and >>>>>>>.`);
    else if (choice === "merge") toast("Merged. Look at the result, and save it.");
  };
  return (
    <div className="conflict" role="group" aria-label="Conflict">
      <Notice tone="warn" title="Somebody else has changed this file" role="alert">
        <div>
          {conflict.kind === "deleted"
            ? "It was deleted meanwhile. Yours can be saved as a new file."
            : conflict.kind === "uneditable"
              ? "It cannot be edited here any more."
              : conflicts > 0
                ? `A merge leaves ${places(conflicts)} for you to decide.`
                : "The changes are in different places. A merge has both."}
        </div>
        <div className="row">
          {theirs !== null && (
            <Button size="small" variant="primary" onClick={() => void decide("merge")}>
              Merge
            </Button>
          )}
          <Button size="small" onClick={() => void decide("mine")}>
            Keep mine
          </Button>
          <Button size="small" onClick={() => void decide("theirs")}>
            {conflict.kind === "deleted" ? "Close the file" : "Take theirs"}
          </Button>
        </div>
      </Notice>
      <div className="conflict-sides">
        <Side title="Before" text={doc.base} />
        <Side title="Mine" text={doc.text} />
        {theirs !== null && <Side title="Theirs" text={theirs} />}
      </div>
    </div>
  );
}

const places = (count: number): string => (count === 1 ? "one place" : `${count} places`);

function Side({ title, text }: { title: string; text: string }) {
  return (
    <section aria-label={title}>
      <h3>{title}</h3>
      <pre tabIndex={0}>{text.length > SHOWN ? `${text.slice(0, SHOWN)}\n…` : text}</pre>
    </section>
  );
}
