// Amazon SES.

import type { Service } from '../service';

export const ses: Service = {
  name: 'Amazon SES',
  group: 'Integration',
  links: [{ text: 'Email identities', href: '/email-identities' }],
  pages: [
    { path: '/email-identities', load: () => import('./List') },
  ],
};
