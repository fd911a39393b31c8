import { X } from "lucide-react";
import { useStore } from "zustand";

import { bytesText } from "../../app/quotas.ts";
import { Button } from "../../ui/button.tsx";
import { Meter } from "../../ui/marks.tsx";
import { duration, explain, useCountdown } from "../../ui/states.tsx";
import { useWorkbench } from "./context.ts";
import { nameOf } from "./paths.ts";
import type { Upload } from "./uploads.ts";

/** So many uploads are listed; the others are counted. */
const SHOWN = 20;

export function UploadList() {
  const { uploads: store } = useWorkbench();
  const uploads = useStore(store.store, (state) => state.uploads);
  if (uploads.length === 0) return null;
  const open = uploads.filter(({ state }) => state !== "done");
  const size = uploads.reduce((sum, upload) => sum + upload.size, 0);
  const sent = uploads.reduce((sum, upload) => sum + upload.sent, 0);
  return (
    <section className="uploads" aria-label="Uploads">
      <div className="row between">
        <strong className="small" role="status">
          {open.length > 0 ? `${open.length} of ${uploads.length} uploads left` : `Uploaded ${uploads.length} files`}
        </strong>
        {open.length < uploads.length && (
          <Button size="small" variant="quiet" onClick={() => store.clear()}>
            Clear
          </Button>
        )}
      </div>
      <Meter value={size > 0 ? sent / size : open.length === 0 ? 1 : 0} label="Uploaded" />
      <ul>
        {open.slice(0, SHOWN).map((upload) => (
          <UploadItem key={upload.id} upload={upload} />
        ))}
      </ul>
      {open.length > SHOWN && <p className="muted small">and {open.length - SHOWN} more</p>}
    </section>
  );
}

function UploadItem({ upload }: { upload: Upload }) {
  const { uploads } = useWorkbench();
  const left = useCountdown(upload.error);
  const { id, path, size, sent, state, error } = upload;
  const name = nameOf(path);
  return (
    <li className="upload small">
      <div className="upload-text">
        <span className="truncate" title={path}>
          {name}
        </span>
        {state === "exists" && <span>There is a file of this name.</span>}
        {state === "failed" && (
          <span className="field-error" role="alert">
            {explain(error).title}. {explain(error).text}
          </span>
        )}
        {(state === "sending" || state === "waiting") && (
          <span className="muted">
            {bytesText(sent)} of {bytesText(size)}
          </span>
        )}
      </div>
      {state === "exists" && (
        <Button size="small" onClick={() => uploads.retry(id, true)}>
          Replace <span className="sr">{name}</span>
        </Button>
      )}
      {state === "failed" && (
        <Button size="small" disabled={left > 0} onClick={() => uploads.retry(id)}>
          {left > 0 ? `Again in ${duration(left)}` : "Again"} <span className="sr">{name}</span>
        </Button>
      )}
      <Button icon size="small" variant="quiet" aria-label={`Do not upload ${name}`} onClick={() => uploads.drop(id)}>
        <X aria-hidden="true" />
      </Button>
    </li>
  );
}
