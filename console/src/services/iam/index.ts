// AWS IAM.

import type { Service } from '../service';

export const iam: Service = {
  name: 'AWS IAM',
  group: 'Data and security',
  links: [{ text: 'Roles and users', href: '/iam' }],
  pages: [
    { path: '/iam', load: () => import('./List') },
    { path: '/iam/:id', load: () => import('./Detail') },
  ],
};
