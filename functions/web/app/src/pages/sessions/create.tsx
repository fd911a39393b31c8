import { useState } from "react";

import { dataOf } from "../../api/index.ts";
import { useCreateAttempts, useSubmit } from "../../app/use-submit.ts";
import { api } from "../../stores/auth-store.ts";
import { Button } from "../../ui/button.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { TextField } from "../../ui/field.tsx";
import { duration, ErrorNotice, useCountdown } from "../../ui/states.tsx";
import { toast } from "../../ui/toast.tsx";

interface Props {
  open: boolean;
  onClose: () => void;
  onCreated: () => void;
}

export function CreateSession({ open, onClose, onCreated }: Props) {
  return (
    <Dialog open={open} onClose={onClose} title="New session">
      <Form onClose={onClose} onCreated={onCreated} />
    </Dialog>
  );
}

/** A folder like the name: "Checkout rewrite" → "/workspace/checkout-rewrite". */
function folderOf(name: string): string {
  const slug = name
    .normalize("NFKD")
    .replace(/\p{Diacritic}/gu, "")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 60);
  return `/workspace/${slug || "new"}`;
}

function Form({ onClose, onCreated }: Omit<Props, "open">) {
  const [name, setName] = useState("");
  const [path, setPath] = useState<string | null>(null);
  const attempts = useCreateAttempts();
  const body = { name, workspacePath: path ?? folderOf(name) };
  const { busy, error, errorOf, submit, form } = useSubmit(
    () => dataOf(api.POST("/sessions", { body, params: { header: { "Idempotency-Key": attempts.of(body).key } } })),
    {
      fields: { "/name": "The name", "/workspacePath": "The folder" },
      onDone: (session) => {
        toast(`Created “${session.name}”.`);
        onCreated();
        onClose();
      },
    },
  );
  const left = useCountdown(error);
  return (
    <form className="stack" ref={form} onSubmit={submit} noValidate>
      <ErrorNotice error={error} />
      <TextField
        label="Name"
        required
        autoFocus
        maxLength={200}
        value={name}
        error={errorOf("/name")}
        onChange={(event) => setName(event.target.value)}
      />
      <TextField
        label="Working folder"
        className="input mono"
        required
        spellCheck={false}
        autoCapitalize="none"
        hint="An absolute path. It follows the name until you change it."
        value={body.workspacePath}
        error={errorOf("/workspacePath")}
        onChange={(event) => setPath(event.target.value)}
      />
      <div className="dialog-actions">
        <Button variant="quiet" onClick={onClose}>
          Cancel
        </Button>
        <Button variant="primary" type="submit" busy={busy} disabled={left > 0}>
          {left > 0 ? `Try again in ${duration(left)}` : "Create"}
        </Button>
      </div>
    </form>
  );
}
