// AWS KMS.

import type { Service } from '../service';

export const kms: Service = {
  name: 'AWS KMS',
  group: 'Data and security',
  links: [{ text: 'Keys', href: '/keys' }],
  pages: [
    { path: '/keys', load: () => import('./List') },
  ],
};
