// Elastic Load Balancing.

import { below } from '../../parts/listing';
import type { Service } from '../service';
import { balancers, targetGroups } from './ask';

export const elbv2: Service = {
  name: 'Load balancing',
  group: 'Networking',
  links: [
    { text: 'Load balancers', href: '/load-balancers' },
    { text: 'Target groups', href: '/target-groups' },
  ],
  pages: [
    { path: '/load-balancers', load: () => import('./LoadBalancers') },
    { path: '/load-balancers/:id', load: () => import('./LoadBalancer') },
    { path: '/target-groups', load: () => import('./TargetGroups') },
    { path: '/target-groups/:id', load: () => import('./TargetGroup') },
  ],
  search: async () => {
    const [all, groups] = await Promise.all([balancers(), targetGroups()]);
    return [
      ...all.map((b) => ({ kind: 'Load balancer', name: b.LoadBalancerName ?? '', href: below('/load-balancers', b.LoadBalancerName) })),
      ...groups.map((g) => ({ kind: 'Target group', name: g.TargetGroupName ?? '', href: below('/target-groups', g.TargetGroupName) })),
    ];
  },
};
