// Amazon RDS.

import type { Service } from '../service';

export const rds: Service = {
  name: 'Amazon RDS',
  group: 'Data and security',
  links: [{ text: 'Databases', href: '/databases' }],
  pages: [
    { path: '/databases', load: () => import('./List') },
    { path: '/databases/:id', load: () => import('./Detail') },
  ],
};
