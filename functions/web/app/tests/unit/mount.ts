import type { ReactElement } from "react";
import { createRoot } from "react-dom/client";

/**
 * Mounts components that draw nothing, without a browser, so that their effects run. Returns a function that removes
 * them.
 */
export function mount(element: ReactElement): () => void {
  const nothing = () => undefined;
  const page = { nodeType: 9, addEventListener: nothing, removeEventListener: nothing, activeElement: null };
  const node = { nodeType: 1, tagName: "DIV", namespaceURI: "http://www.w3.org/1999/xhtml", textContent: "" };
  const container = { ...node, ownerDocument: page, addEventListener: nothing, removeEventListener: nothing };
  Object.assign(globalThis.window, { document: page, HTMLIFrameElement: class {}, getSelection: () => null });
  const root = createRoot(container as unknown as Element);
  root.render(element);
  return () => root.unmount();
}
