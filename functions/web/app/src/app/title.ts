import { useEffect } from "react";

/** The title of the page, for the browser's tab and for screen readers. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Coditect`;
  }, [title]);
}
