// AWS Cloud Map.

import type { Service } from '../service';

export const serviceDiscovery: Service = {
  name: 'AWS Cloud Map',
  group: 'Networking',
  links: [{ text: 'Cloud Map', href: '/cloud-map' }],
  pages: [
    { path: '/cloud-map', load: () => import('./List') },
    { path: '/cloud-map/:id', load: () => import('./Detail') },
  ],
};
