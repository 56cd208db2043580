// AWS Secrets Manager.

import type { Service } from '../service';

export const secretsManager: Service = {
  name: 'AWS Secrets Manager',
  group: 'Data and security',
  links: [{ text: 'Secrets', href: '/secrets' }],
  pages: [
    { path: '/secrets', load: () => import('./List') },
    { path: '/secrets/:id', load: () => import('./Detail') },
  ],
};
