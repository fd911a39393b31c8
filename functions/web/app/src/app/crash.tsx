import { Component, type ReactNode } from "react";

import { Button } from "../ui/button.tsx";
import { isMissingCode } from "./page-boundary.tsx";

/** The last resort: a mistake in the application, or a part of it that could not be loaded. */
export class Crash extends Component<{ children: ReactNode }, { error: unknown }> {
  override state = { error: null };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override render() {
    if (!this.state.error) return this.props.children;
    const outdated = isMissingCode(this.state.error);
    return (
      <main className="state" role="alert">
        <h1>{outdated ? "A part of the application is missing" : "Something went wrong"}</h1>
        <p>
          {outdated
            ? "There is a newer version, or the network was interrupted. Load the page again to continue."
            : "This is a mistake in the application. Your data on the server are not affected. Load the page again."}
        </p>
        <Button variant="primary" onClick={() => location.reload()}>
          Reload the page
        </Button>
      </main>
    );
  }
}
