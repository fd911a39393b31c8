import { useQueryClient } from "@tanstack/react-query";
import { Copy, Ellipsis, FolderOpen, PenLine, Trash2 } from "lucide-react";
import { useRef } from "react";
import { Link } from "react-router";

import type { components } from "../../api/index.ts";
import { Button } from "../../ui/button.tsx";
import { Menu } from "../../ui/dialog.tsx";
import { copyText, Glyph } from "../../ui/marks.tsx";
import { Since } from "../../ui/time.tsx";
import { deleteWithUndo } from "./delete.ts";
import { RenameSession } from "./rename.tsx";

interface Props {
  session: components["schemas"]["Session"];
  renaming: boolean;
  onRename: (on: boolean) => void;
  canWrite: boolean;
}

const icon = { className: "icon", "aria-hidden": true } as const;

export function SessionRow({ session, renaming, onRename, canWrite }: Props) {
  const client = useQueryClient();
  const more = useRef<HTMLButtonElement>(null);
  const { id, name, workspacePath, updatedAt } = session;
  const remove = () => deleteWithUndo(session, () => void client.invalidateQueries({ queryKey: ["sessions"] }));
  const endRename = () => {
    onRename(false);
    // The keyboard continues where the renaming began.
    requestAnimationFrame(() => more.current?.focus());
  };
  return (
    <li className="session-row">
      <Glyph id={id} />
      <div className="session-main">
        {renaming ? (
          <RenameSession session={session} onDone={endRename} />
        ) : (
          <Link className="session-name truncate" to={`/app/sessions/${id}`}>
            {name}
          </Link>
        )}
        <span className="mono muted small truncate">{workspacePath}</span>
      </div>
      <span className="session-time muted small">
        <Since time={updatedAt} />
      </span>
      <Menu
        trigger={
          <Button icon variant="quiet" ref={more} aria-label={`Actions for ${name}`}>
            <Ellipsis aria-hidden="true" />
          </Button>
        }
        entries={[
          { label: "Open", to: `/app/sessions/${id}`, icon: <FolderOpen {...icon} /> },
          ...(canWrite
            ? [{ label: "Rename", icon: <PenLine {...icon} />, onSelect: () => setTimeout(() => onRename(true)) }]
            : []),
          {
            label: "Copy the folder",
            icon: <Copy {...icon} />,
            onSelect: () => void copyText(workspacePath, "the folder"),
          },
          ...(canWrite
            ? [{ label: "Delete", icon: <Trash2 {...icon} />, onSelect: remove, tone: "bad" as const, line: true }]
            : []),
        ]}
      />
    </li>
  );
}
