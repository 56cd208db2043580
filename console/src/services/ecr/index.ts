// Amazon ECR.

import { below } from '../../parts/listing';
import type { Service } from '../service';
import { repositories } from './ask';

export const ecr: Service = {
  name: 'ECR',
  group: 'Containers',
  links: [{ text: 'Repositories', href: '/ecr/repositories' }],
  pages: [
    { path: '/ecr/repositories', load: () => import('./Repositories') },
    { path: '/ecr/repositories/:id', load: () => import('./Repository') },
  ],
  search: async () =>
    (await repositories()).map((r) => ({ kind: 'Repository', name: r.repositoryName ?? '', href: below('/ecr/repositories', r.repositoryName) })),
};
