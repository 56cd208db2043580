// Amazon EC2 Auto Scaling.

import type { Service } from '../service';

export const autoScaling: Service = {
  name: 'Amazon EC2 Auto Scaling',
  group: 'Containers',
  links: [{ text: 'Auto Scaling groups', href: '/auto-scaling-groups' }],
  pages: [
    { path: '/auto-scaling-groups', load: () => import('./List') },
  ],
};
