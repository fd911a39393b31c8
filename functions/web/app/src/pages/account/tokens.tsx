import { useQuery, useQueryClient } from "@tanstack/react-query";
import { KeyRound, Plus } from "lucide-react";
import { useState } from "react";

import { type components, dataOf, hasCode } from "../../api/index.ts";
import { tokensQuery } from "../../app/queries.ts";
import { useCreateAttempts, useSubmit } from "../../app/use-submit.ts";
import { api, useAuth } from "../../stores/auth-store.ts";
import { Button } from "../../ui/button.tsx";
import { Confirm } from "../../ui/confirm.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { CheckField, SelectField, TextField } from "../../ui/field.tsx";
import { CopyButton } from "../../ui/marks.tsx";
import { Empty, ErrorNotice, Failure, Loading, Notice, useCountdown } from "../../ui/states.tsx";
import { Since, useServerNow } from "../../ui/time.tsx";
import { toast } from "../../ui/toast.tsx";
import { Section } from "./section.tsx";

type Token = components["schemas"]["PersonalAccessToken"];
type Scope = components["schemas"]["TokenScope"];

/** The scopes that today's operations need. */
export const SCOPES: { scope: Scope; label: string }[] = [
  { scope: "sessions:read", label: "Read sessions" },
  { scope: "sessions:write", label: "Create, change and delete sessions" },
  { scope: "files:read", label: "Read files, snapshots and uploads" },
  { scope: "files:write", label: "Change files, snapshots and uploads" },
  { scope: "audit:read", label: "Read the activity" },
];

const LIFETIMES = [7, 30, 90, 365];

export default function Tokens() {
  const client = useQueryClient();
  const { data, error, isPending, refetch } = useQuery(tokensQuery);
  const [creating, setCreating] = useState(false);
  const [created, setCreated] = useState<Token | null>(null);
  const refresh = () => void client.invalidateQueries(tokensQuery);
  return (
    <Section
      title="Access tokens"
      lead="For programs: a token acts as you, within its scopes. Treat it like a password."
    >
      {created && <CreatedToken token={created} />}
      {isPending ? (
        <Loading rows={2} label="Loading the tokens" />
      ) : !data ? (
        <Failure error={error} onRetry={() => void refetch()} />
      ) : data.tokens.length === 0 ? (
        <Empty icon={<KeyRound className="icon" aria-hidden="true" />} title="No access tokens">
          <p>Create one for each program, so that you can revoke one without breaking the others.</p>
        </Empty>
      ) : (
        <ul className="list">
          {data.tokens.map((token) => (
            <TokenRow key={token.id} token={token} onRevoked={refresh} />
          ))}
        </ul>
      )}
      <div>
        <Button variant="primary" onClick={() => setCreating(true)}>
          <Plus aria-hidden="true" /> New token
        </Button>
      </div>
      <Dialog open={creating} onClose={() => setCreating(false)} title="New access token">
        <CreateToken
          onClose={() => setCreating(false)}
          onCreated={(token) => {
            setCreated(token);
            setCreating(false);
            refresh();
          }}
        />
      </Dialog>
    </Section>
  );
}

/** The new token. A repeated request, whose first response was lost, gets no token: the API does not keep it. */
export function CreatedToken({ token: { name, token } }: { token: Pick<Token, "name" | "token"> }) {
  if (!token) {
    return (
      <Notice tone="bad" title={`“${name}” exists, but cannot be shown`} role="alert">
        <div>
          The response with the token was lost, and nobody can show it again. Revoke it, and create another one.
        </div>
      </Notice>
    );
  }
  return (
    <Notice tone="warn" title={`Copy “${name}” now`} role="status">
      <div>It is shown this once. Nobody can show it again.</div>
      <div className="secret">
        <code>{token}</code>
        <CopyButton text={token} what="the token" />
      </div>
    </Notice>
  );
}

function TokenRow({ token, onRevoked }: { token: Token; onRevoked: () => void }) {
  const expired = Date.parse(token.expiresAt) < useServerNow();
  const [confirming, setConfirming] = useState(false);
  const { busy, error, submit } = useSubmit(
    async () => {
      try {
        await api.DELETE("/users/me/tokens/{id}", { params: { path: { id: token.id } } });
      } catch (error) {
        if (!hasCode(error, "NOT_FOUND")) throw error;
      }
    },
    {
      onDone: () => {
        toast(`Revoked “${token.name}”.`);
        setConfirming(false);
        onRevoked();
      },
    },
  );
  return (
    <li>
      <div className="item">
        <KeyRound className="icon" aria-hidden="true" />
        <div className="item-main">
          <span className="row">
            <strong>{token.name}</strong>
            {expired && (
              <span className="badge" data-tone="bad">
                Expired
              </span>
            )}
          </span>
          <span className="muted small">
            {token.scopes.join(", ")} · {expired ? "expired" : "expires"} <Since time={token.expiresAt} /> ·{" "}
            {token.lastUsedAt ? (
              <>
                used <Since time={token.lastUsedAt} />
              </>
            ) : (
              "never used"
            )}
          </span>
        </div>
        <Button size="small" variant="warning" aria-label={`Revoke ${token.name}`} onClick={() => setConfirming(true)}>
          Revoke
        </Button>
      </div>
      <Confirm
        open={confirming}
        onClose={() => setConfirming(false)}
        title={`Revoke “${token.name}”?`}
        description="Programs that use it stop working at once. This cannot be undone."
        action="Revoke"
        destructive
        busy={busy}
        error={error}
        onConfirm={() => void submit()}
      />
    </li>
  );
}

function CreateToken({ onClose, onCreated }: { onClose: () => void; onCreated: (token: Token) => void }) {
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<Scope[]>(["sessions:read"]);
  const [days, setDays] = useState(90);
  const offset = useAuth((state) => state.clockOffset);
  const attempts = useCreateAttempts();
  const { busy, error, errorOf, submit, form } = useSubmit(
    () => {
      const { key, body } = attempts.of({ name, scopes, days }, () => {
        const expiresAt = new Date(Date.now() + offset + days * 86_400_000).toISOString();
        return { name, scopes, expiresAt };
      });
      return dataOf(api.POST("/users/me/tokens", { body, params: { header: { "Idempotency-Key": key } } }));
    },
    { fields: { "/name": "The name", "/scopes": "The list of scopes", "/expiresAt": "The expiry" }, onDone: onCreated },
  );
  const left = useCountdown(error);
  const scopeError = errorOf("/scopes");
  return (
    <form className="stack" ref={form} onSubmit={submit} noValidate>
      <ErrorNotice error={error} />
      <TextField
        label="Name"
        required
        autoFocus
        maxLength={200}
        hint="The program that will use it."
        value={name}
        error={errorOf("/name")}
        onChange={(event) => setName(event.target.value)}
      />
      <fieldset className="stack tight">
        <legend className="label">Scopes</legend>
        {SCOPES.map(({ scope, label }) => (
          <CheckField
            key={scope}
            label={label}
            checked={scopes.includes(scope)}
            onChange={(on) => setScopes(on ? [...scopes, scope] : scopes.filter((other) => other !== scope))}
          />
        ))}
        {scopeError && <p className="field-error">{scopeError}</p>}
      </fieldset>
      <SelectField
        label="Lifetime"
        value={days}
        error={errorOf("/expiresAt")}
        onChange={(event) => setDays(Number(event.target.value))}
      >
        {LIFETIMES.map((days) => (
          <option key={days} value={days}>
            {days === 365 ? "One year" : `${days} days`}
          </option>
        ))}
      </SelectField>
      <div className="dialog-actions">
        <Button variant="quiet" onClick={onClose}>
          Cancel
        </Button>
        <Button variant="primary" type="submit" busy={busy} disabled={left > 0}>
          Create
        </Button>
      </div>
    </form>
  );
}
