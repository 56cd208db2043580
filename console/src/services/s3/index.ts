// Amazon S3.

import type { Service } from '../service';

export const s3: Service = {
  name: 'Amazon S3',
  group: 'Data and security',
  links: [{ text: 'Buckets', href: '/buckets' }],
  pages: [
    { path: '/buckets', load: () => import('./List') },
    { path: '/buckets/:id', load: () => import('./Detail') },
  ],
};
