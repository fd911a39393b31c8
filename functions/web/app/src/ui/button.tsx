import type { ComponentPropsWithRef, MouseEvent } from "react";
import { Link, type LinkProps } from "react-router";

type Variant = "primary" | "danger" | "warning" | "quiet";

interface Look {
  variant?: Variant | undefined;
  size?: "small" | undefined;
  /** The button shows an icon only; `aria-label` names it. */
  icon?: boolean | undefined;
  wide?: boolean | undefined;
}

interface Props extends ComponentPropsWithRef<"button">, Look {
  /** An action is in progress: the button stays in the tab order and ignores clicks. */
  busy?: boolean | undefined;
}

function lookProps({ variant, size, icon, wide }: Look, className?: string) {
  return {
    className: ["button", wide && "wide", className].filter(Boolean).join(" "),
    "data-variant": variant,
    "data-size": size,
    "data-icon": icon ? "" : undefined,
  };
}

export function Button({ variant, size, icon, wide, busy, className, onClick, children, ...props }: Props) {
  const click = (event: MouseEvent<HTMLButtonElement>) => {
    if (busy) event.preventDefault();
    else onClick?.(event);
  };
  return (
    <button
      type="button"
      {...lookProps({ variant, size, icon, wide }, className)}
      aria-disabled={busy || undefined}
      onClick={click}
      {...props}
    >
      {busy && <span className="spinner" aria-hidden="true" />}
      {children}
    </button>
  );
}

export function ButtonLink({ variant, size, icon, wide, className, ...props }: LinkProps & Look) {
  return <Link {...lookProps({ variant, size, icon, wide }, className)} {...props} />;
}
