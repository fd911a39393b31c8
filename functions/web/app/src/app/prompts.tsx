import { useState } from "react";

import { hasCode } from "../api/index.ts";
import { useAuth } from "../stores/auth-store.ts";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { PasswordField, TextField } from "../ui/field.tsx";
import { ErrorNotice, useCountdown } from "../ui/states.tsx";
import { useSubmit } from "./use-submit.ts";

const ENDED =
  "This login has ended: it was signed out elsewhere, it expired, or the password was changed. " +
  "Your input is still here.";

/** The login ended while the user worked. The page behind keeps its input, and waiting requests continue afterwards. */
export function SignInAgain() {
  const interrupted = useAuth((state) => state.interrupted);
  const user = useAuth((state) => state.user);
  const login = useAuth((state) => state.login);
  const abandon = useAuth((state) => state.abandon);
  return (
    <Dialog open={interrupted} title="Sign in again" description={ENDED}>
      <PasswordForm
        email={user?.email ?? ""}
        submitLabel="Sign in"
        cancelLabel="Leave"
        onCancel={abandon}
        run={(password) => login({ email: user?.email ?? "", password })}
      />
    </Dialog>
  );
}

/** A request needs the password, because it was not entered lately. */
export function PasswordPrompt() {
  const asked = useAuth((state) => state.passwordAsked);
  const interrupted = useAuth((state) => state.interrupted);
  const user = useAuth((state) => state.user);
  const prove = useAuth((state) => state.provePassword);
  const cancel = useAuth((state) => state.cancelPassword);
  return (
    <Dialog
      open={asked && !interrupted}
      onClose={cancel}
      title="Confirm that it is you"
      description="Enter your password to continue. For the next ten minutes you are not asked again."
    >
      <PasswordForm
        email={user?.email ?? ""}
        submitLabel="Continue"
        cancelLabel="Cancel"
        onCancel={cancel}
        run={prove}
      />
    </Dialog>
  );
}

interface FormProps {
  email: string;
  submitLabel: string;
  cancelLabel: string;
  onCancel: () => void;
  run: (password: string) => Promise<void>;
}

function PasswordForm({ email, submitLabel, cancelLabel, onCancel, run }: FormProps) {
  const [password, setPassword] = useState("");
  const { busy, error, submit, form } = useSubmit(() => run(password));
  const left = useCountdown(error);
  const wrong = hasCode(error, "INVALID_CREDENTIALS");
  return (
    <form className="stack" ref={form} onSubmit={submit}>
      {!wrong && <ErrorNotice error={error} />}
      <TextField label="Email" type="email" autoComplete="username" value={email} readOnly />
      <PasswordField
        label="Password"
        autoComplete="current-password"
        required
        autoFocus
        value={password}
        error={wrong ? "This password is not right." : undefined}
        onChange={(event) => setPassword(event.target.value)}
      />
      <div className="dialog-actions">
        <Button variant="quiet" onClick={onCancel}>
          {cancelLabel}
        </Button>
        <Button variant="primary" type="submit" busy={busy} disabled={left > 0}>
          {submitLabel}
        </Button>
      </div>
    </form>
  );
}
