import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";

import { type components, dataOf, hasCode, versionOf } from "../../api/index.ts";
import { sessionQuery } from "../../app/queries.ts";
import { useSubmit } from "../../app/use-submit.ts";
import { api } from "../../stores/auth-store.ts";
import { Button } from "../../ui/button.tsx";
import { ErrorNotice } from "../../ui/states.tsx";

type Session = components["schemas"]["Session"];

interface Props {
  session: Session;
  onDone: () => void;
}

/**
 * Renames in place. The change names the version that the user saw (`If-Match`), so it never overwrites the change of
 * somebody else; if there is one, the user decides.
 */
export function RenameSession({ session, onDone }: Props) {
  const client = useQueryClient();
  const [name, setName] = useState(session.name);
  const [theirs, setTheirs] = useState<{ name: string; etag: string } | null>(null);
  const params = { path: { id: session.id } };
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.select(), []);

  const current = () => versionOf(api.GET("/sessions/{id}", { params }));
  const rename = async () => {
    let etag = theirs?.etag;
    if (!etag) {
      const now = await current();
      if (now.value.name !== session.name) return setTheirs({ name: now.value.name, etag: now.etag });
      etag = now.etag;
    }
    try {
      await dataOf(
        api.PATCH("/sessions/{id}", { params: { ...params, header: { "If-Match": etag } }, body: { name } }),
      );
    } catch (error) {
      if (!hasCode(error, "PRECONDITION_FAILED")) throw error;
      const now = await current();
      return setTheirs({ name: now.value.name, etag: now.etag });
    }
    await refresh();
  };
  const refresh = async () => {
    await Promise.all([
      client.invalidateQueries({ queryKey: ["sessions"] }),
      client.invalidateQueries(sessionQuery(session.id)),
    ]);
    onDone();
  };
  const { busy, error, errorOf, submit, form } = useSubmit(rename, { fields: { "/name": "The name" } });
  const nameError = errorOf("/name");

  return (
    <form
      className="rename"
      ref={form}
      onSubmit={submit}
      noValidate
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        event.stopPropagation();
        onDone();
      }}
    >
      <div className="row">
        <input
          ref={input}
          className="input"
          aria-label={`New name of ${session.name}`}
          aria-invalid={nameError ? true : undefined}
          aria-describedby={nameError ? `error-${session.id}` : undefined}
          autoFocus
          maxLength={200}
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
        <Button size="small" variant="primary" type="submit" busy={busy}>
          {theirs ? "Use mine" : "Save"}
        </Button>
        <Button size="small" variant="quiet" onClick={theirs ? () => void refresh() : onDone}>
          {theirs ? "Keep theirs" : "Cancel"}
        </Button>
      </div>
      {nameError && (
        <p className="field-error" id={`error-${session.id}`} role="alert">
          {nameError}
        </p>
      )}
      {theirs && (
        <p className="field-error" role="alert">
          It was changed meanwhile, and is now called “{theirs.name}”.
        </p>
      )}
      {hasCode(error, "NOT_FOUND") ? (
        <p className="field-error" role="alert">
          This session was deleted meanwhile.
        </p>
      ) : (
        <ErrorNotice error={error} />
      )}
    </form>
  );
}
