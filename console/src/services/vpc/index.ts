// Amazon VPC.

import type { Service } from '../service';

export const vpc: Service = {
  name: 'VPC',
  group: 'Networking',
  links: [
    { text: 'VPC map', href: '/vpc/map' },
    { text: 'Security groups', href: '/vpc/security-groups' },
    { text: 'Instances', href: '/vpc/instances' },
  ],
  pages: [
    { path: '/vpc/map', load: () => import('./Map') },
    { path: '/vpc/security-groups', load: () => import('./SecurityGroups') },
    { path: '/vpc/security-groups/:id', load: () => import('./SecurityGroup') },
    { path: '/vpc/instances', load: () => import('./Instances') },
  ],
};
