import { useEffect, useLayoutEffect, useRef } from "react";

import { useBench, useDocuments, useWorkbench } from "./context.ts";
import type { Doc } from "./documents.ts";
import { Editor } from "./editor-view.ts";

/** The text of the active file. */
export default function TextEditor({ doc, readOnly }: { doc: Doc; readOnly: boolean }) {
  const bench = useWorkbench();
  const host = useRef<HTMLDivElement>(null);
  const editor = useRef<Editor | null>(null);
  const line = useBench((state) => state.line);
  const docs = useDocuments((state) => state.docs);
  const { id, path, revision, text } = doc;

  useLayoutEffect(() => {
    const created = new Editor(host.current as HTMLElement, bench.editorStates);
    editor.current = created;
    return () => {
      editor.current = null;
      created.destroy();
    };
  }, [bench]);

  useLayoutEffect(() => {
    const view = editor.current;
    if (!view) return;
    if (view.shown !== id) {
      view.show(id, revision, {
        path,
        text,
        readOnly,
        onChange: (next) => bench.documents.edit(id, next),
        onSave: () => void bench.documents.save(id),
        onSaveAll: () => void bench.documents.saveAll(),
      });
    } else if (view.revision !== revision) {
      view.replace(revision, text);
    }
    // The text of the document follows the editor, but for a new revision.
  }, [id, revision]);

  useEffect(() => editor.current?.setReadOnly(readOnly), [id, readOnly]);

  useEffect(() => {
    if (line?.path === path) editor.current?.goTo(line.line);
  }, [line, path, id]);

  useEffect(() => editor.current?.keepOnly(new Set(docs.map((doc) => doc.id))), [docs]);

  return <div className="editor" ref={host} />;
}
