import { Compass } from "lucide-react";

import { useTitle } from "../app/title.ts";
import { ButtonLink } from "../ui/button.tsx";
import { Empty } from "../ui/states.tsx";

export default function Missing() {
  useTitle("Page not found");
  return (
    <Empty icon={<Compass className="icon" aria-hidden="true" />} title="There is no such page" page>
      <p>The address may be from another version, or incomplete.</p>
      <ButtonLink to="/app/sessions">To your sessions</ButtonLink>
    </Empty>
  );
}
