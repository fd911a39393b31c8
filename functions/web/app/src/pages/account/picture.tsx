import { useQueryClient } from "@tanstack/react-query";
import { ImageUp, Trash2 } from "lucide-react";
import { type ChangeEvent, useRef, useState } from "react";

import { type components, versionOf } from "../../api/index.ts";
import { accountQuery } from "../../app/queries.ts";
import { nameOf, usePicture } from "../../app/shell.tsx";
import { useSubmit } from "../../app/use-submit.ts";
import { api } from "../../stores/auth-store.ts";
import { Button } from "../../ui/button.tsx";
import { Avatar } from "../../ui/marks.tsx";
import { ErrorNotice, Notice } from "../../ui/states.tsx";
import { toast } from "../../ui/toast.tsx";
import { Section } from "./section.tsx";

const TYPES = ["image/jpeg", "image/png", "image/webp"];
const MAX_BYTES = 2 * 1024 * 1024;

export function PictureSection({ account }: { account: components["schemas"]["Account"] }) {
  const client = useQueryClient();
  const file = useRef<HTMLInputElement>(null);
  const picked = useRef<File | null>(null);
  const [unfit, setUnfit] = useState("");
  const picture = usePicture(account.avatarUrl);

  const refresh = () => client.invalidateQueries(accountQuery);
  const upload = useSubmit(
    async () => {
      const body = picked.current as File;
      await versionOf(
        api.PUT("/users/me/avatar", {
          body: body as unknown as string,
          bodySerializer: (body) => body as unknown as Blob,
          headers: { "Content-Type": body.type },
        }),
      );
      await refresh();
    },
    { onDone: () => toast("Saved the picture.") },
  );
  const removal = useSubmit(
    async () => {
      await api.DELETE("/users/me/avatar");
      await refresh();
    },
    { onDone: () => toast("Removed the picture.") },
  );
  const pick = (event: ChangeEvent<HTMLInputElement>) => {
    const chosen = event.target.files?.[0];
    // The same file can be chosen again.
    event.target.value = "";
    if (!chosen) return;
    const problem = !TYPES.includes(chosen.type)
      ? "Choose a JPEG, PNG or WebP picture."
      : chosen.size > MAX_BYTES
        ? "The picture has more than 2 MiB. Choose a smaller one."
        : "";
    setUnfit(problem);
    if (problem) return;
    picked.current = chosen;
    void upload.submit();
  };
  return (
    <Section title="Picture" lead="The square in the middle is shown.">
      {unfit && <Notice tone="bad" title={unfit} role="alert" />}
      <ErrorNotice error={upload.error ?? removal.error} />
      <div className="row">
        <Avatar large name={nameOf(account)} src={picture} />
        <input
          ref={file}
          className="sr"
          type="file"
          accept={TYPES.join()}
          tabIndex={-1}
          aria-label="Picture"
          onChange={pick}
        />
        <Button busy={upload.busy} onClick={() => file.current?.click()}>
          <ImageUp aria-hidden="true" /> {account.avatarUrl ? "Change" : "Upload"}
        </Button>
        {account.avatarUrl && (
          <Button variant="quiet" busy={removal.busy} onClick={() => void removal.submit()}>
            <Trash2 aria-hidden="true" /> Remove
          </Button>
        )}
      </div>
      <p className="hint">JPEG, PNG or WebP, at most 2 MiB.</p>
    </Section>
  );
}
