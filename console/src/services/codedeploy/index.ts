// AWS CodeDeploy.

import type { Service } from '../service';

export const codeDeploy: Service = {
  name: 'CodeDeploy',
  group: 'Delivery',
  links: [{ text: 'Deployments', href: '/deployments' }],
  pages: [
    { path: '/deployments', load: () => import('./Deployments') },
    { path: '/deployments/:id', load: () => import('./Deployment') },
  ],
};
