// AWS CloudFormation.

import { below } from '../../parts/listing';
import type { Service } from '../service';
import { stacks } from './ask';

export const cloudFormation: Service = {
  name: 'CloudFormation',
  group: 'Delivery',
  links: [{ text: 'Stacks', href: '/stacks' }],
  pages: [
    { path: '/stacks', load: () => import('./Stacks') },
    { path: '/stacks/:id', load: () => import('./Stack') },
  ],
  search: async () => (await stacks()).map((s) => ({ kind: 'Stack', name: s.StackName ?? '', href: below('/stacks', s.StackName) })),
};
