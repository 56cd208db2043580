// AWS Certificate Manager.

import type { Service } from '../service';

export const acm: Service = {
  name: 'AWS Certificate Manager',
  group: 'Data and security',
  links: [{ text: 'Certificates', href: '/certificates' }],
  pages: [
    { path: '/certificates', load: () => import('./List') },
  ],
};
