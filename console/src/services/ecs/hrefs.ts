// Where ECS's pages are.

import { revisionName, shortName } from '../../parts/names';

export const clusterHref = (cluster: string | undefined) => `/ecs/clusters/${shortName(cluster)}`;
export const serviceHref = (cluster: string, service: string) => `${clusterHref(cluster)}/services/${shortName(service)}`;
export const taskHref = (task: string) => {
  const [, cluster, id] = task.split('/');
  return `/ecs/clusters/${cluster}/tasks/${id}`;
};

/** Of a family, a `family:revision`, or an ARN. */
export function taskDefinitionHref(name: string | undefined): string {
  return `/ecs/task-definitions/${revisionName(name).replace(':', '/')}`;
}
