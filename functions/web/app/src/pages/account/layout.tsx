import { NavLink, Outlet } from "react-router";

import { PageHead } from "../page-head.tsx";

const PARTS = [
  { to: "/app/account", label: "Profile", end: true },
  { to: "/app/account/security", label: "Security" },
  { to: "/app/account/tokens", label: "Access tokens" },
  { to: "/app/account/data", label: "Your data" },
];

export default function Account() {
  return (
    <>
      <PageHead title="Account" />
      <nav className="tabs" aria-label="Account">
        {PARTS.map(({ to, label, end }) => (
          <NavLink key={to} to={to} end={end ?? false}>
            {label}
          </NavLink>
        ))}
      </nav>
      <div className="sections">
        <Outlet />
      </div>
    </>
  );
}
