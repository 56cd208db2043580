// Amazon EventBridge.

import type { Service } from '../service';

export const eventBridge: Service = {
  name: 'Amazon EventBridge',
  group: 'Integration',
  links: [{ text: 'Event rules', href: '/event-rules' }],
  pages: [
    { path: '/event-rules', load: () => import('./List') },
    { path: '/event-rules/:id', load: () => import('./Detail') },
  ],
};
