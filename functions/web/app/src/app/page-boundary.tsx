import { Component, type ComponentType, lazy, type ReactNode } from "react";

import { Button } from "../ui/button.tsx";

/** Makes the pages that could not be loaded load again. */
const failed = new Set<() => void>();

/** A page whose code is loaded when it is opened, and again after a failure. */
export function lazyPage<P extends object>(load: () => Promise<{ default: ComponentType<P> }>): ComponentType<P> {
  const fresh = (): ComponentType<P> =>
    lazy(async () => {
      try {
        return await load();
      } catch (error) {
        failed.add(reset);
        throw error;
      }
    }) as unknown as ComponentType<P>;
  let Current = fresh();
  const reset = () => void (Current = fresh());
  return function Page(props: P) {
    return <Current {...props} />;
  };
}

/** Whether the error says that code could not be loaded. Each browser has its own words. */
export const isMissingCode = (error: unknown): boolean => /import|module|chunk|preload/i.test(String(error));

interface Props {
  /** The path of the page: another one begins anew. */
  place: string;
  children: ReactNode;
}

/** A page that fails leaves the navigation, and can be tried again. */
export class PageBoundary extends Component<Props, { error: unknown; place: string }> {
  override state = { error: null, place: this.props.place };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  static getDerivedStateFromProps({ place }: Props, state: { error: unknown; place: string }) {
    if (place === state.place) return null;
    if (state.error) loadAgain();
    return { error: null, place };
  }

  readonly #retry = () => {
    loadAgain();
    this.setState({ error: null });
  };

  override render() {
    const { error } = this.state;
    if (!error) return this.props.children;
    const missing = isMissingCode(error);
    return (
      <div className="state">
        <div className="state-text" role="alert">
          <h1>{missing ? "This page could not be loaded" : "Something went wrong on this page"}</h1>
          <p>
            {missing
              ? "The network was interrupted, or there is a newer version of the application."
              : "This is a mistake in the application. Your data on the server are not affected."}
          </p>
        </div>
        <div className="row">
          <Button variant="primary" onClick={this.#retry}>
            Try again
          </Button>
          <Button onClick={() => location.reload()}>Reload the application</Button>
        </div>
      </div>
    );
  }
}

function loadAgain(): void {
  for (const reset of failed) reset();
  failed.clear();
}
