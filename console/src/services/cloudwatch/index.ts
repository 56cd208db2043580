// Amazon CloudWatch, with its logs.

import { below } from '../../parts/listing';
import type { Service } from '../service';
import { alarms, groups } from './ask';

export const cloudWatch: Service = {
  name: 'CloudWatch',
  group: 'Monitoring',
  links: [
    { text: 'Alarms', href: '/cloudwatch/alarms' },
    { text: 'Metrics', href: '/cloudwatch/metrics' },
    { text: 'Log groups', href: '/cloudwatch/log-groups' },
    { text: 'Logs Insights', href: '/cloudwatch/insights' },
  ],
  pages: [
    { path: '/cloudwatch/alarms', load: () => import('./Alarms') },
    { path: '/cloudwatch/metrics', load: () => import('./Metrics') },
    { path: '/cloudwatch/log-groups', load: () => import('./LogGroups') },
    { path: '/cloudwatch/log-groups/:id', load: () => import('./LogGroup') },
    { path: '/cloudwatch/insights', load: () => import('./Insights') },
  ],
  search: async () => [
    ...(await groups()).map((g) => ({ kind: 'Log group', name: g.logGroupName ?? '', href: below('/cloudwatch/log-groups', g.logGroupName) })),
    ...(await alarms()).map((a) => ({ kind: 'Alarm', name: a.AlarmName ?? '', href: '/cloudwatch/alarms' })),
  ],
};
