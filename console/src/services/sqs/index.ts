// Amazon SQS.

import type { Service } from '../service';

export const sqs: Service = {
  name: 'Amazon SQS',
  group: 'Integration',
  links: [{ text: 'Queues', href: '/queues' }],
  pages: [
    { path: '/queues', load: () => import('./List') },
    { path: '/queues/:id', load: () => import('./Detail') },
  ],
};
