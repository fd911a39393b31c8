import { useState } from "react";
import { Link, Navigate } from "react-router";

import { dataOf, hasCode } from "../api/index.ts";
import { useMailToken } from "../app/mail-token.ts";
import { useSubmit } from "../app/use-submit.ts";
import { api, useAuth } from "../stores/auth-store.ts";
import { Button } from "../ui/button.tsx";
import { PasswordField, TextField } from "../ui/field.tsx";
import { duration, ErrorNotice, Notice, useCountdown } from "../ui/states.tsx";
import { AuthLayout } from "./auth-layout.tsx";

/** Both ends of a recovery: asking for the email, and the page that its link opens. */
export default function Recover() {
  const token = useMailToken();
  return token ? <Complete key={token} token={token} /> : <Request />;
}

function Request() {
  const [email, setEmail] = useState("");
  const [sentTo, setSentTo] = useState("");
  const { busy, error, errorOf, submit, form } = useSubmit(
    () => dataOf(api.POST("/auth/recovery", { body: { email } })),
    { fields: { "/email": "The email" }, onDone: () => setSentTo(email) },
  );
  const left = useCountdown(error);
  return (
    <AuthLayout
      title="Recover your account"
      lead="We send you a link with which you choose a new password."
      footer={<Link to="/app/sign-in">Back to signing in</Link>}
    >
      {sentTo && (
        <Notice title="Look into your inbox" role="status">
          <div>
            If an account with the email {sentTo} exists, a link is on its way. It takes a minute or two; look into the
            spam folder, too.
          </div>
        </Notice>
      )}
      <form className="stack" ref={form} onSubmit={submit} noValidate>
        <ErrorNotice error={error} />
        <TextField
          label="Email"
          type="email"
          autoComplete="username"
          required
          autoFocus
          value={email}
          error={errorOf("/email")}
          onChange={(event) => setEmail(event.target.value)}
        />
        <Button variant="primary" type="submit" wide busy={busy} disabled={left > 0}>
          {left > 0 ? `Try again in ${duration(left)}` : sentTo ? "Send another link" : "Send the link"}
        </Button>
      </form>
    </AuthLayout>
  );
}

function Complete({ token }: { token: string }) {
  const completeRecovery = useAuth((state) => state.completeRecovery);
  const [password, setPassword] = useState("");
  const [done, setDone] = useState(false);
  const { busy, error, errorOf, submit, form } = useSubmit(() => completeRecovery({ token, password }), {
    fields: { "/password": "The password" },
    onDone: () => setDone(true),
  });
  const left = useCountdown(error);
  if (done) return <Navigate to="/app/sessions" replace />;
  return (
    <AuthLayout
      title="Choose a new password"
      lead="All devices are signed out, and personal access tokens are revoked."
      footer={<Link to="/app/sign-in">Back to signing in</Link>}
    >
      <form className="stack" ref={form} onSubmit={submit} noValidate>
        {hasCode(error, "NOT_FOUND") ? <SpentLink again="/app/recover" /> : <ErrorNotice error={error} />}
        <PasswordField
          label="New password"
          autoComplete="new-password"
          required
          autoFocus
          hint="A few words that nobody would guess. Password managers are welcome."
          value={password}
          error={errorOf("/password")}
          onChange={(event) => setPassword(event.target.value)}
        />
        <Button variant="primary" type="submit" wide busy={busy} disabled={left > 0}>
          Save and sign in
        </Button>
      </form>
    </AuthLayout>
  );
}

/** A link that was used, replaced, or is too old. */
export function SpentLink({ again }: { again?: string }) {
  return (
    <Notice tone="bad" title="This link is not valid any more" role="alert">
      <div>
        It was used already, a newer one replaced it, or it is too old.{" "}
        {again ? (
          <a href={again}>Ask for a new link</a>
        ) : (
          <Link to="/app/account">Your account page can send a new one</Link>
        )}
      </div>
    </Notice>
  );
}
