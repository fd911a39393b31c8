import { useState } from "react";
import { Link, Navigate, useLocation } from "react-router";

import { hasCode } from "../api/index.ts";
import { useSubmit } from "../app/use-submit.ts";
import { DEMO, useAuth } from "../stores/auth-store.ts";
import { localStore } from "../stores/storage.ts";
import { Button } from "../ui/button.tsx";
import { PasswordField, TextField } from "../ui/field.tsx";
import { duration, ErrorNotice, Notice, useCountdown } from "../ui/states.tsx";
import { AuthLayout } from "./auth-layout.tsx";

interface From {
  from?: { pathname: string; search: string };
}

/** Where to go after signing in: back to the page that asked for it. */
export function useReturnTo(): string {
  const { from } = (useLocation().state ?? {}) as From;
  return from ? from.pathname + from.search : "/app/sessions";
}

const FAREWELLS = {
  elsewhere: "You signed out in another tab.",
  ended: "Your login has ended. Sign in again to continue.",
  here: "You are signed out.",
};

export function SignIn() {
  const { phase, login, farewell, startError } = useAuth((state) => state);
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const returnTo = useReturnTo();
  const { state } = useLocation();
  const { busy, error, errorOf, submit, form } = useSubmit(() => login({ email, password }), {
    fields: { "/email": "The email", "/password": "The password" },
  });
  const demo = useSubmit(() => login(DEMO));
  const left = useCountdown(error);
  if (phase === "signedIn") return <Navigate to={returnTo} replace />;
  // The form would disappear while somebody fills it in.
  if (phase === "starting" && !startError) return null;
  const wrong = hasCode(error, "INVALID_CREDENTIALS");
  return (
    <AuthLayout
      title="Sign in"
      lead={
        <>
          New here?{" "}
          <Link to="/app/register" state={state}>
            Create an account
          </Link>
        </>
      }
      footer={
        <div className="demo-offer">
          <div>
            <strong>Only looking?</strong>
            <p className="muted">The demo has sample data and needs no account.</p>
          </div>
          <Button size="small" busy={demo.busy} onClick={() => void demo.submit()}>
            Open the demo
          </Button>
        </div>
      }
    >
      {farewell && !error && <Notice role="status">{FAREWELLS[farewell]}</Notice>}
      {!localStore.works() && (
        <Notice tone="warn" title="The browser keeps no data for this site">
          Allow cookies and storage for it to stay signed in after a reload.
        </Notice>
      )}
      <form className="stack" ref={form} onSubmit={submit} noValidate>
        {wrong ? (
          <Notice tone="bad" role="alert" title="This email and password do not match">
            <div>
              Check both, or <Link to="/app/recover">choose a new password</Link>.
            </div>
          </Notice>
        ) : (
          <ErrorNotice error={error ?? demo.error} />
        )}
        <TextField
          label="Email"
          type="email"
          autoComplete="username"
          autoFocus
          required
          value={email}
          error={errorOf("/email")}
          onChange={(event) => setEmail(event.target.value)}
        />
        <PasswordField
          label="Password"
          autoComplete="current-password"
          required
          value={password}
          error={errorOf("/password")}
          onChange={(event) => setPassword(event.target.value)}
        />
        <Button variant="primary" type="submit" wide busy={busy} disabled={left > 0}>
          {left > 0 ? `Try again in ${duration(left)}` : "Sign in"}
        </Button>
        <Link className="small" to="/app/recover">
          Forgot your password?
        </Link>
      </form>
    </AuthLayout>
  );
}
