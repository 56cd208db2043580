// AWS CodeCommit.

import { below } from '../../parts/listing';
import type { Service } from '../service';
import { repositories } from './ask';

export const codeCommit: Service = {
  name: 'CodeCommit',
  group: 'Delivery',
  links: [{ text: 'Source repositories', href: '/codecommit' }],
  pages: [
    { path: '/codecommit', load: () => import('./Repositories') },
    { path: '/codecommit/:id', load: () => import('./Repository') },
    { path: '/codecommit/:id/pull-requests/:number', load: () => import('./PullRequest') },
  ],
  search: async () => (await repositories()).map((r) => ({ kind: 'Source repository', name: r.repositoryName ?? '', href: below('/codecommit', r.repositoryName) })),
};
