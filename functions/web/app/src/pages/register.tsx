import { useState } from "react";
import { Link, Navigate, useLocation } from "react-router";

import { hasCode } from "../api/index.ts";
import { useCreateAttempts, useSubmit } from "../app/use-submit.ts";
import { useAuth } from "../stores/auth-store.ts";
import { Button } from "../ui/button.tsx";
import { PasswordField, TextField } from "../ui/field.tsx";
import { duration, ErrorNotice, useCountdown } from "../ui/states.tsx";
import { AuthLayout } from "./auth-layout.tsx";
import { useReturnTo } from "./sign-in.tsx";

export default function Register() {
  const phase = useAuth((state) => state.phase);
  const register = useAuth((state) => state.register);
  const [form, setForm] = useState({ email: "", password: "", firstName: "", lastName: "", company: "" });
  const returnTo = useReturnTo();
  const { state } = useLocation();
  const attempts = useCreateAttempts();
  const submission = useSubmit(() => register(form, attempts.of(form).key), {
    fields: {
      "/email": "The email",
      "/password": "The password",
      "/firstName": "The first name",
      "/lastName": "The last name",
      "/company": "The company",
    },
  });
  const { busy, error, errorOf, submit } = submission;
  const left = useCountdown(error);
  if (phase === "signedIn") return <Navigate to={returnTo} replace />;
  const field = (name: keyof typeof form) => ({
    value: form[name],
    error: errorOf(`/${name}`),
    onChange: (event: { target: { value: string } }) => setForm({ ...form, [name]: event.target.value }),
  });
  const taken = hasCode(error, "EMAIL_TAKEN");
  return (
    <AuthLayout
      title="Create an account"
      lead={
        <>
          Have one already?{" "}
          <Link to="/app/sign-in" state={state}>
            Sign in
          </Link>
        </>
      }
    >
      <form className="stack" ref={submission.form} onSubmit={submit} noValidate>
        {!taken && <ErrorNotice error={error} />}
        <TextField
          label="Email"
          type="email"
          autoComplete="username"
          autoFocus
          required
          {...field("email")}
          error={taken ? "An account with this email exists. Sign in instead." : errorOf("/email")}
        />
        <PasswordField
          label="Password"
          autoComplete="new-password"
          required
          hint="A few words that nobody would guess. Password managers are welcome."
          {...field("password")}
        />
        <div className="pair">
          <TextField label={<Optional>First name</Optional>} autoComplete="given-name" {...field("firstName")} />
          <TextField label={<Optional>Last name</Optional>} autoComplete="family-name" {...field("lastName")} />
        </div>
        <TextField label={<Optional>Company</Optional>} autoComplete="organization" {...field("company")} />
        <Button variant="primary" type="submit" wide busy={busy} disabled={left > 0}>
          {left > 0 ? `Try again in ${duration(left)}` : "Create the account"}
        </Button>
      </form>
    </AuthLayout>
  );
}

export function Optional({ children }: { children: string }) {
  return (
    <>
      {children} <span className="muted">(optional)</span>
    </>
  );
}
