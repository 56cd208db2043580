// AWS CodeBuild.

import { below } from '../../parts/listing';
import type { Service } from '../service';
import { projects } from './ask';

export const codeBuild: Service = {
  name: 'CodeBuild',
  group: 'Delivery',
  links: [{ text: 'Build projects', href: '/codebuild' }],
  pages: [
    { path: '/codebuild', load: () => import('./Projects') },
    { path: '/codebuild/:id', load: () => import('./Project') },
    { path: '/codebuild/:project/builds/:id', load: () => import('./Build') },
  ],
  search: async () => (await projects()).map((p) => ({ kind: 'Build project', name: p.name ?? '', href: below('/codebuild', p.name) })),
};
