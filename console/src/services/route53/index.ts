// Amazon Route 53.

import type { Service } from '../service';

export const route53: Service = {
  name: 'Amazon Route 53',
  group: 'Networking',
  links: [{ text: 'Hosted zones', href: '/hosted-zones' }],
  pages: [
    { path: '/hosted-zones', load: () => import('./List') },
    { path: '/hosted-zones/:id', load: () => import('./Detail') },
  ],
};
