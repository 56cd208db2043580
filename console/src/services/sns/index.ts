// Amazon SNS.

import type { Service } from '../service';

export const sns: Service = {
  name: 'Amazon SNS',
  group: 'Integration',
  links: [{ text: 'Topics', href: '/topics' }],
  pages: [
    { path: '/topics', load: () => import('./List') },
    { path: '/topics/:id', load: () => import('./Detail') },
  ],
};
