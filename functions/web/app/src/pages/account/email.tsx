import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { type components, dataOf, hasCode } from "../../api/index.ts";
import { accountQuery } from "../../app/queries.ts";
import { useSubmit } from "../../app/use-submit.ts";
import { api } from "../../stores/auth-store.ts";
import { Button } from "../../ui/button.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { PasswordField, TextField } from "../../ui/field.tsx";
import { ErrorNotice, Notice, useCountdown } from "../../ui/states.tsx";
import { toast } from "../../ui/toast.tsx";
import { Section } from "./section.tsx";

export function EmailSection({ account }: { account: components["schemas"]["Account"] }) {
  const [changing, setChanging] = useState(false);
  return (
    <Section title="Email" lead="You sign in with it, and get all messages there.">
      <div className="row between">
        <span className="row">
          <strong className="email">{account.email}</strong>
          {account.emailVerified ? (
            <span className="badge" data-tone="good">
              Verified
            </span>
          ) : (
            <span className="badge" data-tone="warn">
              Not verified
            </span>
          )}
        </span>
        <Button onClick={() => setChanging(true)}>Change</Button>
      </div>
      {account.pendingEmail && (
        <Notice title={`Waiting for ${account.pendingEmail}`}>
          <div>Open the link in the email to the new address. Until then, the old one stays.</div>
        </Notice>
      )}
      <Dialog
        open={changing}
        onClose={() => setChanging(false)}
        title="Change your email"
        description="The new address gets a link. Nothing changes until you open it."
      >
        <ChangeEmail onClose={() => setChanging(false)} current={account.email} />
      </Dialog>
    </Section>
  );
}

function ChangeEmail({ onClose, current }: { onClose: () => void; current: string }) {
  const client = useQueryClient();
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const { busy, error, errorOf, submit, form } = useSubmit(
    () => dataOf(api.POST("/users/me/email", { body: { email, password } })),
    {
      fields: { "/email": "The email", "/password": "The password" },
      onDone: () => {
        toast(`Sent a link to ${email}.`);
        void client.invalidateQueries(accountQuery);
        onClose();
      },
    },
  );
  const left = useCountdown(error);
  const wrong = hasCode(error, "INVALID_CREDENTIALS");
  return (
    <form className="stack" ref={form} onSubmit={submit} noValidate>
      {!wrong && <ErrorNotice error={error} />}
      {/* Password managers store the password under the current email. */}
      <input
        className="sr"
        type="email"
        autoComplete="username"
        value={current}
        readOnly
        tabIndex={-1}
        aria-hidden="true"
      />
      <TextField
        label="New email"
        type="email"
        autoComplete="off"
        required
        autoFocus
        value={email}
        error={errorOf("/email")}
        onChange={(event) => setEmail(event.target.value)}
      />
      <PasswordField
        label="Current password"
        autoComplete="current-password"
        required
        value={password}
        error={wrong ? "This password is not right." : errorOf("/password")}
        onChange={(event) => setPassword(event.target.value)}
      />
      <div className="dialog-actions">
        <Button variant="quiet" onClick={onClose}>
          Cancel
        </Button>
        <Button variant="primary" type="submit" busy={busy} disabled={left > 0}>
          Send the link
        </Button>
      </div>
    </form>
  );
}
