// What the shell knows of a service: where its pages are, and what a search finds in it.

import type { ComponentType } from 'react';

/** A thing that a search finds. */
export interface Found {
  kind: string;
  name: string;
  href: string;
}

/** A page, loaded when it is first opened. */
export interface Page {
  /** Below `/console`, in the words of the router: `/ecs/clusters/:cluster`. */
  path: string;
  load: () => Promise<{ default: ComponentType }>;
}

export interface Service {
  /** As AWS calls it. */
  name: string;
  group: Group;
  /** In the side navigation. */
  links: { text: string; href: string }[];
  pages: Page[];
  search?: () => Promise<Found[]>;
}

export type Group = 'Containers' | 'Networking' | 'Monitoring' | 'Delivery' | 'Integration' | 'Data and security';

export const GROUPS: Group[] = ['Containers', 'Networking', 'Monitoring', 'Delivery', 'Integration', 'Data and security'];
