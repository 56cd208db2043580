// AWS Systems Manager.

import type { Service } from '../service';

export const ssm: Service = {
  name: 'AWS Systems Manager',
  group: 'Data and security',
  links: [{ text: 'Parameters', href: '/parameters' }],
  pages: [
    { path: '/parameters', load: () => import('./List') },
    { path: '/parameters/:id', load: () => import('./Detail') },
  ],
};
