import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";

import { dataOf } from "../../api/index.ts";
import { organizationBase } from "../../app/place.ts";
import { organizationsQuery } from "../../app/queries.ts";
import { useCreateAttempts, useSubmit } from "../../app/use-submit.ts";
import { api } from "../../stores/auth-store.ts";
import { Button } from "../../ui/button.tsx";
import { TextField } from "../../ui/field.tsx";
import { duration, ErrorNotice, useCountdown } from "../../ui/states.tsx";
import { toast } from "../../ui/toast.tsx";
import { Section } from "../account/section.tsx";
import { PageHead } from "../page-head.tsx";

export default function NewOrganization() {
  const client = useQueryClient();
  const navigate = useNavigate();
  const [name, setName] = useState("");
  const attempts = useCreateAttempts();
  const { busy, error, errorOf, submit, form } = useSubmit(
    () => {
      const { key, body } = attempts.of({ name });
      return dataOf(api.POST("/organizations", { body, params: { header: { "Idempotency-Key": key } } }));
    },
    {
      fields: { "/name": "The name" },
      onDone: (created, isHere) => {
        client.setQueryData(organizationsQuery.queryKey, (list) => {
          const others = list?.organizations.filter(({ id }) => id !== created.id) ?? [];
          return { organizations: [...others, created] };
        });
        void client.invalidateQueries(organizationsQuery);
        toast(`Created “${created.name}”.`);
        if (isHere) void navigate(`${organizationBase(created.id)}/members`, { replace: true });
      },
    },
  );
  const left = useCountdown(error);
  return (
    <>
      <PageHead
        title="New organisation"
        lead="Sessions that several people share. You own it, and invite the others."
      />
      <Section title="What it is called" lead="Owners and admins can rename it later.">
        <form className="stack" ref={form} onSubmit={submit} noValidate>
          <ErrorNotice error={error} />
          <TextField
            label="Name"
            required
            autoFocus
            maxLength={200}
            autoComplete="organization"
            value={name}
            error={errorOf("/name")}
            onChange={(event) => setName(event.target.value)}
          />
          <div>
            <Button variant="primary" type="submit" busy={busy} disabled={left > 0}>
              {left > 0 ? `Try again in ${duration(left)}` : "Create the organisation"}
            </Button>
          </div>
        </form>
      </Section>
    </>
  );
}
