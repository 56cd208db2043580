// Amazon ECS.

import { ecs as client } from '../../aws/clients';
import { everything } from '../../aws/live';
import { revisionName, shortName } from '../../parts/names';
import type { Found, Service } from '../service';
import { serviceHref, taskDefinitionHref } from './hrefs';

async function search(): Promise<Found[]> {
  const clusters = await everything(async (nextToken) => {
    const page = await client.listClusters({ nextToken });
    return { items: page.clusterArns, next: page.nextToken };
  });
  const services = await Promise.all(
    clusters.map((cluster) =>
      everything(async (nextToken) => {
        const page = await client.listServices({ cluster, nextToken, maxResults: 100 });
        return { items: page.serviceArns, next: page.nextToken };
      }),
    ),
  );
  const families = await client.listTaskDefinitionFamilies({ status: 'ACTIVE', maxResults: 100 });
  return [
    ...clusters.map((arn) => ({ kind: 'Cluster', name: shortName(arn), href: `/ecs/clusters/${shortName(arn)}` })),
    ...services.flat().map((arn) => {
      const [, cluster, name] = arn.split('/');
      return { kind: `Service in ${cluster}`, name, href: serviceHref(cluster, name) };
    }),
    ...(families.families ?? []).map((family) => ({ kind: 'Task definition', name: revisionName(family), href: taskDefinitionHref(family) })),
  ];
}

export const ecs: Service = {
  name: 'ECS',
  group: 'Containers',
  links: [
    { text: 'Clusters', href: '/ecs/clusters' },
    { text: 'Task definitions', href: '/ecs/task-definitions' },
  ],
  pages: [
    { path: '/ecs/clusters', load: () => import('./Clusters') },
    { path: '/ecs/clusters/:cluster', load: () => import('./Cluster') },
    { path: '/ecs/clusters/:cluster/run-task', load: () => import('./RunTask') },
    { path: '/ecs/clusters/:cluster/create-service', load: () => import('./CreateService') },
    { path: '/ecs/clusters/:cluster/services/:service', load: () => import('./Service') },
    { path: '/ecs/clusters/:cluster/tasks/:task', load: () => import('./Task') },
    { path: '/ecs/task-definitions', load: () => import('./TaskDefinitions') },
    { path: '/ecs/task-definitions/create', load: () => import('./CreateTaskDefinition') },
    { path: '/ecs/task-definitions/:family', load: () => import('./Family') },
    { path: '/ecs/task-definitions/:family/:revision', load: () => import('./TaskDefinition') },
  ],
  search,
};
