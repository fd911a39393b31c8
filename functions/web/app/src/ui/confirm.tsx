import type { ReactNode } from "react";

import { Button } from "./button.tsx";
import { Dialog } from "./dialog.tsx";
import { ErrorNotice } from "./states.tsx";

interface ConfirmProps {
  open?: boolean;
  onClose: () => void;
  title: string;
  description: ReactNode;
  /** What the button says that does it. */
  action: string;
  /** The action destroys something. */
  destructive?: boolean;
  busy: boolean;
  error: unknown;
  onConfirm: () => void;
}

/** Asks before something is done. */
export function Confirm({
  open = true,
  onClose,
  title,
  description,
  action,
  destructive = false,
  busy,
  error,
  onConfirm,
}: ConfirmProps) {
  return (
    <Dialog open={open} onClose={onClose} title={title} description={description}>
      <ErrorNotice error={error} />
      <div className="dialog-actions">
        <Button variant="quiet" onClick={onClose}>
          Cancel
        </Button>
        <Button variant={destructive ? "danger" : "primary"} busy={busy} onClick={onConfirm}>
          {action}
        </Button>
      </div>
    </Dialog>
  );
}
