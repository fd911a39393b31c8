import { X } from "lucide-react";
import { Dialog as Primitive, DropdownMenu } from "radix-ui";
import type { ReactNode } from "react";
import { Link } from "react-router";

import { Button } from "./button.tsx";

interface DialogProps {
  open: boolean;
  /** Absent: only a decision closes the dialog. */
  onClose?: (() => void) | undefined;
  title: string;
  description?: ReactNode;
  children: ReactNode;
}

/** A modal dialog: focus stays inside, and returns to where it was. */
export function Dialog({ open, onClose, title, description, children }: DialogProps) {
  const stay = (event: Event) => event.preventDefault();
  return (
    <Primitive.Root open={open} onOpenChange={(next) => !next && onClose?.()}>
      <Primitive.Portal>
        <Primitive.Overlay className="scrim" />
        <Primitive.Content
          className="dialog"
          {...(!onClose && { onEscapeKeyDown: stay })}
          // Input would be lost by a click beside the dialog.
          onInteractOutside={stay}
          {...(!description && { "aria-describedby": undefined })}
        >
          <div className="row between">
            <Primitive.Title asChild>
              <h2>{title}</h2>
            </Primitive.Title>
            {onClose && (
              <Primitive.Close asChild>
                <Button icon variant="quiet" aria-label="Close">
                  <X aria-hidden="true" />
                </Button>
              </Primitive.Close>
            )}
          </div>
          {description && (
            <Primitive.Description asChild>
              <div className="muted">{description}</div>
            </Primitive.Description>
          )}
          {children}
        </Primitive.Content>
      </Primitive.Portal>
    </Primitive.Root>
  );
}

export interface MenuEntry {
  label: string;
  icon?: ReactNode;
  to?: string;
  onSelect?: () => void;
  tone?: "bad";
  /** A line above. */
  line?: boolean;
}

/** A button that opens a list of actions. */
export function Menu({ trigger, entries }: { trigger: ReactNode; entries: MenuEntry[] }) {
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger asChild>{trigger}</DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className="menu" align="end" sideOffset={6} collisionPadding={8}>
          {entries.map(({ label, icon, to, onSelect, tone, line }) => (
            <div key={label} role="presentation">
              {line && <DropdownMenu.Separator className="menu-line" />}
              <DropdownMenu.Item
                className="menu-item"
                data-tone={tone}
                {...(onSelect && { onSelect })}
                {...(to && { asChild: true })}
              >
                {to ? (
                  <Link to={to}>
                    {icon}
                    {label}
                  </Link>
                ) : (
                  <>
                    {icon}
                    {label}
                  </>
                )}
              </DropdownMenu.Item>
            </div>
          ))}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}
