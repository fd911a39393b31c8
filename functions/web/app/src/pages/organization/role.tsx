import { useState } from "react";

import { dataOf, hasCode } from "../../api/index.ts";
import type { Member } from "../../app/queries.ts";
import { isAtLeast, managedRoles, type Role, ROLE_WORDS } from "../../app/roles.ts";
import { nameOf } from "../../app/shell.tsx";
import { useTenant } from "../../app/tenant-context.ts";
import { useSubmit } from "../../app/use-submit.ts";
import { Button } from "../../ui/button.tsx";
import { SelectField } from "../../ui/field.tsx";
import { ErrorNotice, Notice, useCountdown } from "../../ui/states.tsx";
import { toast } from "../../ui/toast.tsx";
import { commitDeletions } from "../sessions/delete.ts";
import { useRefreshAfter, useRefreshMembers } from "./refresh.ts";

/** The roles that the user may give, with what the chosen one may do. */
export function RoleField({
  role,
  error,
  onChange,
}: {
  role: Role;
  error?: string | undefined;
  onChange: (role: Role) => void;
}) {
  const own = useTenant().role;
  return (
    <SelectField
      label="Role"
      value={role}
      hint={ROLE_WORDS[role].about}
      error={error}
      onChange={(event) => onChange(event.target.value as Role)}
    >
      {managedRoles(own).map((role) => (
        <option key={role} value={role}>
          {ROLE_WORDS[role].label}
        </option>
      ))}
    </SelectField>
  );
}

export function ChangeRole({ member, isSelf, onClose }: { member: Member; isSelf: boolean; onClose: () => void }) {
  const { id, api } = useTenant();
  const refresh = useRefreshMembers();
  const [role, setRole] = useState(member.role);
  const name = nameOf(member.user);
  const lowersOwn = isSelf && !isAtLeast(role, member.role);
  const { busy, error, errorOf, submit, form } = useSubmit(
    async () => {
      const params = { path: { id, user: member.user.id } };
      // Deletions that wait for Undo may need the higher role.
      if (lowersOwn) await commitDeletions();
      try {
        const { role: given } = await dataOf(
          api.PATCH("/organizations/{id}/members/{user}", { params, body: { role } }),
        );
        toast(`${name} is ${ROLE_WORDS[given].phrase} now.`);
      } catch (error) {
        if (!hasCode(error, "NOT_FOUND")) throw error;
        toast(`${name} is not a member any more.`, { tone: "bad" });
      }
    },
    {
      fields: { "/role": "The role" },
      onDone: () => {
        onClose();
        refresh();
      },
    },
  );
  const left = useCountdown(error);
  useRefreshAfter(error);
  const isLastOwner = hasCode(error, "LAST_OWNER");
  const becomesOwner = role === "owner" && member.role !== "owner";
  return (
    <form className="stack" ref={form} onSubmit={submit} noValidate>
      {!isLastOwner && <ErrorNotice error={error} />}
      <RoleField
        role={role}
        error={
          isLastOwner ? "The organisation has no other owner. Make another member an owner first." : errorOf("/role")
        }
        onChange={setRole}
      />
      {becomesOwner && (
        <Notice tone="warn" title={`${name} would own the organisation like you`}>
          <div>
            Owners can also remove you, and delete the organisation. To hand it over, make {name} an owner, and then
            leave or take another role.
          </div>
        </Notice>
      )}
      {lowersOwn && (
        <Notice tone="warn" title="You would lower your own role">
          <div>Only a member with a higher role can give it back to you.</div>
        </Notice>
      )}
      <div className="dialog-actions">
        <Button variant="quiet" onClick={onClose}>
          Cancel
        </Button>
        <Button variant="primary" type="submit" busy={busy} disabled={left > 0 || role === member.role}>
          Change the role
        </Button>
      </div>
    </form>
  );
}
