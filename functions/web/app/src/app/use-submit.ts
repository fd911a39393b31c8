import { type FormEvent, useCallback, useEffect, useRef, useState } from "react";

import { ApiProblem } from "../api/index.ts";

interface Options<T> {
  /** The fields of the form with their labels, by the pointers of the API: `/name`. */
  fields?: Record<string, string>;
  onDone?: (result: T) => void;
}

/** The state of a form: one submission at a time; errors next to their fields, or for the whole form. */
export function useSubmit<T>(run: () => Promise<T>, { fields = {}, onDone }: Options<T> = {}) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const form = useRef<HTMLFormElement>(null);
  const running = useRef(false);

  const submit = useCallback(
    async (event?: FormEvent) => {
      event?.preventDefault();
      if (running.current) return;
      running.current = true;
      setBusy(true);
      setError(null);
      try {
        const result = await run();
        onDone?.(result);
      } catch (error) {
        setError(error);
      } finally {
        running.current = false;
        setBusy(false);
      }
    },
    [run, onDone],
  );

  useEffect(() => {
    if (error) form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus();
  }, [error]);

  const violations = error instanceof ApiProblem ? error.errors : [];
  const errorOf = (pointer: string): string | undefined => {
    const found = violations.find((violation) => violation.pointer === pointer);
    return found && `${fields[pointer] ?? "This"} ${found.message}.`;
  };
  const elsewhere = violations.filter(({ pointer }) => !(pointer in fields));
  // The fields explain a failed validation, unless it is about something that the form does not show.
  const rest = violations.length > 0 && elsewhere.length === 0 ? null : error;
  return { busy, error: rest, errorOf, submit, form, clear: () => setError(null), fail: setError };
}

/** The attempts of a form to create something. Equal content is the same attempt, with the same key and body. */
export class CreateAttempts {
  #content: string | undefined;
  #key = "";
  #body: unknown;

  /** `make` is called once for each content, because a repeated key needs an equal body. */
  of<T>(content: T): { key: string; body: T };
  of<T>(content: unknown, make: () => T): { key: string; body: T };
  of(content: unknown, make: () => unknown = () => content) {
    const text = JSON.stringify(content);
    if (text !== this.#content) {
      this.#content = text;
      this.#key = crypto.randomUUID();
      this.#body = make();
    }
    return { key: this.#key, body: this.#body };
  }
}

/** The attempts of this form, for the `Idempotency-Key`. */
export function useCreateAttempts(): CreateAttempts {
  const [attempts] = useState(() => new CreateAttempts());
  return attempts;
}
