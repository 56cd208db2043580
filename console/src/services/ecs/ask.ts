// What ECS's pages ask: lists with what they list described.

import type { Cluster, Service, Task } from '@aws-sdk/client-ecs';
import { ecs } from '../../aws/clients';
import { everything, inPieces } from '../../aws/live';

export async function clusters(): Promise<Cluster[]> {
  const arns = await everything(async (nextToken) => {
    const page = await ecs.listClusters({ nextToken, maxResults: 100 });
    return { items: page.clusterArns, next: page.nextToken };
  });
  return inPieces(arns, 100, async (clusters) => (await ecs.describeClusters({ clusters })).clusters);
}

export async function services(cluster: string): Promise<Service[]> {
  const arns = await everything(async (nextToken) => {
    const page = await ecs.listServices({ cluster, nextToken, maxResults: 100 });
    return { items: page.serviceArns, next: page.nextToken };
  });
  return inPieces(arns, 10, async (services) => (await ecs.describeServices({ cluster, services })).services);
}

/** The tasks of a cluster or of one of its services, those that run first. */
export async function tasks(cluster: string, serviceName?: string): Promise<Task[]> {
  const arns = await Promise.all(
    (['RUNNING', 'STOPPED'] as const).map((desiredStatus) =>
      everything(async (nextToken) => {
        const page = await ecs.listTasks({ cluster, serviceName, desiredStatus, nextToken, maxResults: 100 });
        return { items: page.taskArns, next: page.nextToken };
      }),
    ),
  );
  return inPieces(arns.flat(), 100, async (tasks) => (await ecs.describeTasks({ cluster, tasks })).tasks);
}

export async function families(): Promise<string[]> {
  return everything(async (nextToken) => {
    const page = await ecs.listTaskDefinitionFamilies({ status: 'ACTIVE', nextToken, maxResults: 100 });
    return { items: page.families, next: page.nextToken };
  });
}

export async function revisions(family: string): Promise<string[]> {
  const all = await everything(async (nextToken) => {
    const page = await ecs.listTaskDefinitions({ familyPrefix: family, sort: 'DESC', nextToken, maxResults: 100 });
    return { items: page.taskDefinitionArns, next: page.nextToken };
  });
  return all;
}
