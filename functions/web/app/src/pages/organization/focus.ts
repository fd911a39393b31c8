import { type RefObject, useEffect, useRef } from "react";

/**
 * Keeps the place of the keyboard and of screen readers when the user has removed a row: its heading gets the focus,
 * unless it is elsewhere already. Call the returned function when the row is going to leave.
 */
export function useFocusAfterRemoval(heading: RefObject<HTMLElement | null>): () => void {
  const removed = useRef(false);
  useEffect(
    () => () => {
      const { activeElement, body } = document;
      if (removed.current && (!activeElement || activeElement === body)) heading.current?.focus();
    },
    [heading],
  );
  return () => {
    removed.current = true;
  };
}
