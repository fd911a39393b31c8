/** Where a page is: in the organisation that its address names, or in the user's own tenant. */
export interface Place {
  /** The organisation's id. */
  organization: string | undefined;
  /** What the addresses of this tenant's pages begin with. */
  base: string;
}

/** The address of an organisation, without the page. */
export const organizationBase = (id: string): string => `/app/o/${id}`;

/**
 * The place of an address. Nothing but the address decides in which tenant a page acts: two tabs, or two windows of one
 * user, stay in their organisations.
 */
export function placeOf(pathname: string): Place {
  const organization = /^\/app\/o\/([^/]+)/.exec(pathname)?.[1];
  return { organization, base: organization === undefined ? "/app" : organizationBase(organization) };
}
