import { useState } from "react";

import { hasCode } from "../../api/index.ts";
import { useSubmit } from "../../app/use-submit.ts";
import { Button } from "../../ui/button.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { TextField } from "../../ui/field.tsx";
import { ErrorNotice } from "../../ui/states.tsx";
import { type Question, useBench, useDocuments, useWorkbench } from "./context.ts";
import { joined, nameOf, nameProblem, parentOf } from "./paths.ts";

/** The dialogs of the workbench. */
export function Questions() {
  const question = useBench((state) => state.question);
  if (!question) return null;
  if (question.kind === "close") return <CloseDialog doc={question.doc} />;
  return <NameDialog key={JSON.stringify(question)} question={question} />;
}

type NameQuestion = Exclude<Question, { kind: "close" }>;

const TITLES = { file: "New file", directory: "New folder", rename: "Rename", move: "Move" };
const ACTIONS = { file: "Create", directory: "Create", rename: "Rename", move: "Move" };

function NameDialog({ question }: { question: NameQuestion }) {
  const bench = useWorkbench();
  const { kind } = question;
  const path = "path" in question ? question.path : undefined;
  const [text, setText] = useState(path === undefined ? "" : kind === "move" ? path : nameOf(path));
  const [unfit, setUnfit] = useState<string>();
  const close = () => bench.ask(null);
  const { busy, error, submit, form } = useSubmit(
    async () => {
      setUnfit(undefined);
      const problem = kind === "move" ? pathProblem(text) : nameProblem(text);
      if (problem) return void setUnfit(problem);
      if ("directory" in question) await bench.create(question.kind, question.directory, text);
      else {
        const to = (kind === "move" ? text : joined(parentOf(question.path), text)).normalize("NFC");
        if (to !== question.path) await bench.move(question.path, to);
      }
      close();
    },
    { fields: {} },
  );
  const taken = hasCode(error, "EXISTS", "PRECONDITION_FAILED", "IS_A_DIRECTORY");
  const place = "directory" in question ? question.directory : parentOf(question.path);
  return (
    <Dialog open onClose={close} title={TITLES[kind]} description={kind === "move" ? undefined : `In ${place}`}>
      <form className="stack" ref={form} onSubmit={submit} noValidate>
        {!taken && <ErrorNotice error={error} />}
        <TextField
          label={kind === "move" ? "New path" : "Name"}
          autoFocus
          spellCheck={false}
          autoCapitalize="none"
          value={text}
          error={unfit ?? (taken ? "There is something of this name already." : undefined)}
          onFocus={(event) => {
            // The extension mostly stays.
            const end = event.target.value.lastIndexOf(".");
            if (kind === "rename") event.target.setSelectionRange(0, end > 0 ? end : event.target.value.length);
          }}
          onChange={(event) => setText(event.target.value)}
        />
        <div className="dialog-actions">
          <Button variant="quiet" onClick={close}>
            Cancel
          </Button>
          <Button variant="primary" type="submit" busy={busy}>
            {ACTIONS[kind]}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

function pathProblem(path: string): string | undefined {
  if (!path.startsWith("/") || path === "/") return "A path begins with a slash, like /src/main.rs.";
  return path
    .slice(1)
    .split("/")
    .map((name) => (name ? nameProblem(name) : "A path has no empty names."))
    .find(Boolean);
}

function CloseDialog({ doc: id }: { doc: number }) {
  const bench = useWorkbench();
  const doc = useDocuments((state) => state.docs.find((doc) => doc.id === id));
  if (!doc) return null;
  const close = () => bench.ask(null);
  const discard = () => {
    close();
    bench.documents.close(id);
  };
  const save = async () => {
    close();
    await bench.documents.save(id);
    const after = bench.documents.find(id);
    if (after && !after.conflict && after.saveError === null) bench.documents.close(id);
  };
  return (
    <Dialog
      open
      onClose={close}
      title={`Save “${nameOf(doc.path)}” before you close it?`}
      description="Changes that are not saved are lost."
    >
      <div className="dialog-actions">
        <Button variant="quiet" onClick={close}>
          Cancel
        </Button>
        <Button variant="warning" onClick={discard}>
          Discard the changes
        </Button>
        <Button variant="primary" onClick={() => void save()}>
          Save
        </Button>
      </div>
    </Dialog>
  );
}
