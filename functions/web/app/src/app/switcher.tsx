import { useQuery } from "@tanstack/react-query";
import { Building2, ChevronsUpDown, Plus, RefreshCw, UserRound } from "lucide-react";
import { useLocation } from "react-router";

import { useAuth } from "../stores/auth-store.ts";
import { Button } from "../ui/button.tsx";
import { Menu, type MenuEntry } from "../ui/dialog.tsx";
import { organizationBase, placeOf } from "./place.ts";
import { organizationsQuery } from "./queries.ts";
import { ROLE_WORDS } from "./roles.ts";

const icon = { className: "icon", "aria-hidden": true } as const;

/** Says in which tenant the page is, and leads to the others. */
export function TenantSwitcher() {
  const own = useAuth((state) => state.tenant);
  const { organization } = placeOf(useLocation().pathname);
  const { data, error, refetch } = useQuery(organizationsQuery);
  const organizations = data?.organizations ?? [];
  const current = organizations.find(({ id }) => id === organization);
  const name = organization === undefined ? own?.name : (current?.name ?? "Organisation");
  const entries: MenuEntry[] = [
    {
      id: "own",
      label: own?.name ?? "Your own space",
      hint: "Only you",
      to: "/app/sessions",
      icon: <UserRound {...icon} />,
      current: organization === undefined,
    },
    ...organizations.map(({ id, name, role }) => ({
      id,
      label: name,
      hint: ROLE_WORDS[role].label,
      to: `${organizationBase(id)}/sessions`,
      icon: <Building2 {...icon} />,
      current: id === organization,
    })),
    ...(error && !data
      ? [{ label: "Load the organisations again", icon: <RefreshCw {...icon} />, onSelect: () => void refetch() }]
      : []),
    { label: "New organisation", to: "/app/organizations/new", icon: <Plus {...icon} />, line: true },
  ];
  const Icon = organization === undefined ? UserRound : Building2;
  return (
    <div className="switcher">
      <Menu
        align="start"
        trigger={
          <Button variant="quiet" className="switcher-button">
            <Icon {...icon} />
            <span className="switcher-name truncate">{name}</span>
            <span className="sr">: switch to another organisation</span>
            <ChevronsUpDown {...icon} />
          </Button>
        }
        entries={entries}
      />
    </div>
  );
}
