// AWS CodePipeline.

import { below } from '../../parts/listing';
import type { Service } from '../service';
import { pipelines } from './ask';

export const codePipeline: Service = {
  name: 'CodePipeline',
  group: 'Delivery',
  links: [{ text: 'Pipelines', href: '/pipelines' }],
  pages: [
    { path: '/pipelines', load: () => import('./Pipelines') },
    { path: '/pipelines/:id', load: () => import('./Pipeline') },
  ],
  search: async () => (await pipelines()).map((p) => ({ kind: 'Pipeline', name: p.name ?? '', href: below('/pipelines', p.name) })),
};
