import { X } from "lucide-react";
import { Toast as Primitive } from "radix-ui";
import { create } from "zustand";

import { Button } from "./button.tsx";

interface Toast {
  id: number;
  text: string;
  tone?: "bad" | undefined;
  action?: { label: string; run: () => void } | undefined;
  /** Called once when the toast leaves, unless its action was chosen. */
  onLeave?: (() => void) | undefined;
}

/** So many messages are on the screen. A further one replaces the oldest. */
const SHOWN = 3;

export const useToasts = create<{ toasts: Toast[] }>(() => ({ toasts: [] }));
let last = 0;

/** Shows a short message. Returns a function that removes it without calling `onLeave`. */
export function toast(text: string, options: Omit<Toast, "id" | "text"> = {}): () => void {
  const id = ++last;
  const toasts = [...useToasts.getState().toasts, { id, text, ...options }];
  useToasts.setState({ toasts: toasts.slice(-SHOWN) });
  for (const { onLeave } of toasts.slice(0, -SHOWN)) onLeave?.();
  return () => remove(id);
}

function remove(id: number): void {
  useToasts.setState(({ toasts }) => ({ toasts: toasts.filter((toast) => toast.id !== id) }));
}

export function Toasts() {
  const toasts = useToasts((state) => state.toasts);
  return (
    <Primitive.Provider duration={8000} label="Message">
      {toasts.map(({ id, text, tone, action, onLeave }) => (
        <Primitive.Root
          className="toast"
          key={id}
          data-tone={tone}
          type={tone === "bad" ? "foreground" : "background"}
          onOpenChange={(open) => {
            if (open) return;
            remove(id);
            onLeave?.();
          }}
        >
          <Primitive.Description className="toast-text">{text}</Primitive.Description>
          {action && (
            <Primitive.Action
              asChild
              altText={action.label}
              onClick={(event) => {
                // Otherwise the toast would also leave by itself.
                event.preventDefault();
                remove(id);
                action.run();
              }}
            >
              <Button size="small">{action.label}</Button>
            </Primitive.Action>
          )}
          <Primitive.Close asChild>
            <Button icon size="small" aria-label="Dismiss">
              <X aria-hidden="true" />
            </Button>
          </Primitive.Close>
        </Primitive.Root>
      ))}
      <Primitive.Viewport className="toasts" />
    </Primitive.Provider>
  );
}
