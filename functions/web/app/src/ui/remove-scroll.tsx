import type { ComponentPropsWithRef, ElementType } from "react";

interface Props extends ComponentPropsWithRef<"div"> {
  as?: ElementType;
  allowPinchZoom?: boolean;
  shards?: unknown;
  enabled?: boolean;
}

/**
 * Replaces the package `react-remove-scroll`, which the primitives use to lock the page behind a dialog. That one adds
 * a style element, which the content security policy forbids; here a rule in `base.css` locks the page.
 */
export function RemoveScroll({ as: Element = "div", allowPinchZoom: _1, shards: _2, enabled: _3, ...props }: Props) {
  return <Element {...props} />;
}

RemoveScroll.classNames = { fullWidth: "", zeroRight: "" };
